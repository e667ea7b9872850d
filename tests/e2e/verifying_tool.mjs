// A tool whose calls a gate signs, as its owner would write it: it does what is signed, signs its answers, and says why
// it does nothing else. The first line of its output is the port; the verifier's file and the secret are its arguments.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [file, secret] = process.argv.slice(2);
const { Unsigned, Verifier } = await import(pathToFileURL(file).href);
let shift = 0;
const verifier = new Verifier(secret, undefined, 300, () => Date.now() / 1000 + shift);

const server = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  if (request.url === "/clock") {
    shift = Number(body);
    response.end();
    return;
  }
  try {
    const nonce = verifier.check(request.method, request.url, request.headers, body);
    const got = { method: request.method, path: request.url, headers: request.headers, body: body.toString("base64") };
    const answer = Buffer.from(JSON.stringify(got));
    response.setHeader("Content-Type", "application/json");
    response.setHeader("Portcullis-Signature", verifier.signAnswer(200, nonce, answer));
    response.end(answer);
  } catch (why) {
    response.statusCode = why instanceof Unsigned ? 401 : 500;
    response.end(String(why.message));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
