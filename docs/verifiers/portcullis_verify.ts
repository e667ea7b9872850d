// Checks that a request was signed by a Portcullis gate, and signs the answer. Node 22 or newer, nothing else.
//
//   const verifier = new Verifier(secret);
//   const nonce = verifier.check(request.method, request.url, request.headers, body);   // throws Unsigned
//   response.setHeader("Portcullis-Signature", verifier.signAnswer(200, nonce, answer)); // only if the gate asks for it
//
// It refuses times more than five minutes off, and nonces that it has seen. It remembers them in this process alone:
// with several processes, give it a `seen` that they share (true if the nonce is new; remembers it for `seconds`).

import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The request is not to be trusted; the message says why. */
export class Unsigned extends Error {}

type Headers = Record<string, string | string[] | undefined>;
type Seen = (nonce: string, seconds: number) => boolean;

/** Nonces of one process. */
export function memory(): Seen {
  const until = new Map<string, number>();
  return (nonce, seconds) => {
    const now = Date.now();
    if (until.size > 10_000) for (const [it, end] of until) if (end <= now) until.delete(it);
    if ((until.get(nonce) ?? 0) > now) return false;
    until.set(nonce, now + seconds * 1000);
    return true;
  };
}

export class Verifier {
  readonly #secret: string;
  readonly #seen: Seen;
  readonly #tolerance: number;
  readonly #clock: () => number;

  constructor(secret: string, seen: Seen = memory(), tolerance = 300, clock = () => Date.now() / 1000) {
    this.#secret = secret;
    this.#seen = seen;
    this.#tolerance = tolerance;
    this.#clock = clock;
  }

  /** The request's nonce. `path` with its query, as it came; `body` as it came, not parsed and written again. */
  check(method: string, path: string, headers: Headers, body: Uint8Array): string {
    const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value ?? "")]));
    const sent = lower.get("portcullis-timestamp") ?? "";
    const nonce = lower.get("portcullis-nonce") ?? "";
    const given = lower.get("portcullis-signature") ?? "";
    if (!/^[0-9]{1,12}$/.test(sent) || !/^[0-9a-f]{32}$/.test(nonce)) throw new Unsigned("the request carries no signature");
    const expected = this.#mac([method.toUpperCase(), path, sent, nonce, digest(body)].join("\n"));
    const [a, b] = [Buffer.from(expected), Buffer.from(given)];
    if (a.length !== b.length || !timingSafeEqual(a, b)) throw new Unsigned("the signature is wrong");
    // Only what is signed is looked at: a stranger cannot fill the memory with nonces.
    if (Math.abs(this.#clock() - Number(sent)) > this.#tolerance) throw new Unsigned("the request is too old, or a clock is wrong");
    if (!this.#seen(nonce, 2 * this.#tolerance)) throw new Unsigned("the request came before");
    return nonce;
  }

  /** The value of the answer's `Portcullis-Signature`. */
  signAnswer(status: number, nonce: string, body: Uint8Array): string {
    return this.#mac(["response", String(status), nonce, digest(body)].join("\n"));
  }

  #mac(text: string): string {
    return "v1=" + createHmac("sha256", this.#secret).update(text).digest("hex");
  }
}

function digest(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
