// Adds a key to every request: the conformance suite has none to send. Changes nothing else.
// node proxy.mjs LISTEN_PORT GATE_PORT KEY AGENT
import http from "node:http";

const [listen, gate, key, agent] = process.argv.slice(2);

http
  .createServer((request, response) => {
    const headers = [...request.rawHeaders, "Authorization", `Bearer ${key}`, "Portcullis-Agent", agent];
    const onward = http.request(
      { host: "127.0.0.1", port: Number(gate), method: request.method, path: request.url, headers, setHost: false },
      (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        response.flushHeaders();
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  })
  .listen(Number(listen), "127.0.0.1", () => console.log("ready"));
