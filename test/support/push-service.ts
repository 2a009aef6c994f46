import { expect } from "bun:test";

/** A push as it came: its headers, and its payload after decryption. */
export interface ReceivedPush {
  endpoint: string;
  headers: Headers;
  payload: Record<string, unknown>;
}

/** A browser with a subscription: its keys, and where it receives pushes. */
export interface Browser {
  subscription: { endpoint: string; keys: { p256dh: string; auth: string } };
  received: ReceivedPush[];
  /** What the push service answers. Default: 201. */
  answer: () => Response | Promise<Response>;
  decrypt: (body: Uint8Array) => Promise<string>;
}

const base64url = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(bytes as Uint8Array).toString("base64url");

/**
 * A push service on this machine (RFC 8030). It decrypts with code of its own, as a browser does (RFC 8291), and checks how the
 * server identifies itself (RFC 8292).
 */
export class PushService implements AsyncDisposable {
  readonly #browsers = new Map<string, Browser>();
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => this.#receive(request),
  });
  #listeners: (() => void)[] = [];
  /** Requests that came. */
  requests = 0;
  /** Why requests were not as they must be. */
  readonly faults: unknown[] = [];

  /** The value of PARLEY_PUSH_SERVICES. */
  get origin(): string {
    return this.#server.url.origin;
  }

  async subscribe(): Promise<Browser> {
    const path = `/push/${crypto.randomUUID()}`;
    const keys = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
    const secret = crypto.getRandomValues(new Uint8Array(16));
    const p256dh = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
    const browser: Browser = {
      subscription: {
        endpoint: `${this.origin}${path}`,
        keys: { p256dh: base64url(p256dh), auth: base64url(secret) },
      },
      received: [],
      answer: () => new Response(null, { status: 201 }),
      decrypt: (body) => decrypt(body, { privateKey: keys.privateKey, publicKey: p256dh, secret }),
    };
    this.#browsers.set(path, browser);
    return browser;
  }

  /** Resolves when a browser has received this many pushes. */
  async received(browser: Browser, count = 1): Promise<ReceivedPush[]> {
    while (browser.received.length < count)
      await new Promise<void>((resolve) => void this.#listeners.push(resolve));
    return browser.received;
  }

  async #receive(request: Request): Promise<Response> {
    this.requests++;
    const { pathname, href } = new URL(request.url);
    const browser = this.#browsers.get(pathname);
    if (!browser) return new Response("no such subscription", { status: 404 });
    try {
      await checkAuthorization(request.headers.get("authorization") ?? "", this.origin);
      const text = await browser.decrypt(await request.bytes());
      const payload = JSON.parse(text) as Record<string, unknown>;
      browser.received.push({ endpoint: href, headers: request.headers, payload });
    } catch (error) {
      this.faults.push(error);
    }
    for (const listener of this.#listeners.splice(0)) listener();
    return browser.answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    expect(this.faults).toEqual([]);
  }
}

export interface ReceiverKeys {
  privateKey: CryptoKey;
  publicKey: Uint8Array;
  secret: Uint8Array;
}

/** Decrypts a body of one record (RFC 8188, section 2; RFC 8291, section 3). */
export async function decrypt(
  body: Uint8Array,
  { privateKey, publicKey, secret }: ReceiverKeys,
): Promise<string> {
  const [salt, recordSize, keyLength] = [
    body.slice(0, 16),
    new DataView(body.buffer).getUint32(16),
    body[20] ?? 0,
  ];
  const sender = body.slice(21, 21 + keyLength);
  const record = body.slice(21 + keyLength);
  expect([keyLength, record.length <= recordSize, body.length <= 4096]).toEqual([65, true, true]);
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const senderKey = await crypto.subtle.importKey("raw", sender, curve, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: senderKey }, privateKey, 256);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), publicKey, sender]);
  const ikm = await hkdf(shared, secret, info, 32);
  const key = await hkdf(ikm, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
  const nonce = await hkdf(ikm, salt, Buffer.from("Content-Encoding: nonce\0"), 12);
  const aes = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const padded = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce }, aes, record));
  // The last record ends with 2, and zeros.
  const end = padded.findLastIndex((byte) => byte !== 0);
  expect(padded[end]).toBe(2);
  return new TextDecoder("utf-8", { fatal: true }).decode(padded.slice(0, end));
}

async function hkdf(
  key: ArrayBuffer | Uint8Array<ArrayBuffer>,
  salt: Uint8Array,
  info: Uint8Array,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const options = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(salt), info: new Uint8Array(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(options, imported, bytes * 8));
}

/** Checks a header `vapid t=…, k=…` (RFC 8292, sections 2 and 3). */
async function checkAuthorization(header: string, audience: string): Promise<void> {
  const [, token = "", key = ""] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(header) ?? [];
  const [head = "", body = "", signature = ""] = token.split(".");
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const publicKey = await crypto.subtle.importKey("raw", Buffer.from(key, "base64url"), curve, false, [
    "verify",
  ]);
  const isSigned = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    publicKey,
    Buffer.from(signature, "base64url"),
    Buffer.from(`${head}.${body}`),
  );
  expect(isSigned).toBe(true);
  expect(decodeJson(head)).toEqual({ typ: "JWT", alg: "ES256" });
  const claims = decodeJson(body) as { aud: string; exp: number; sub: string };
  expect([claims.aud, claims.sub]).toEqual([audience, "mailto:admin@example.com"]);
  expect(claims.exp - Date.now() / 1000).toBeWithin(3600, 24 * 3600);
}

const decodeJson = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
