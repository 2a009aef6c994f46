import { generateKeyPairSync } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { exportJWK, importPKCS8, SignJWT } from "jose";

import { root, runProcess, startProcess } from "../support/process.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { codeBlock } from "./migration-document.ts";

/** A web application with the user alice, which logs them in with a session and signs tokens as docs/migration.md says. */
export interface Application extends AsyncDisposable {
  url: string;
  /** Sets the host that its pages connect to. To be called before the first page is requested. */
  setChatHost: (host: string) => Promise<void>;
}

/** The page of a room, a template of Django's. */
const page = await readFile(join(import.meta.dir, "pages/tutorial.html"), "utf8");

const newKey = () =>
  generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });

/** A Python that has Django and PyJWT. Undefined if there is none. */
export async function findPython(): Promise<string | undefined> {
  const env = { PATH: process.env["PATH"] ?? "" };
  for (const python of ["python3", "/usr/bin/python3"]) {
    const command = [python, "-c", "import django, jwt, cryptography"];
    const result = await runProcess(command, { cwd: root, env }).catch(() => undefined);
    if (result?.code === 0) return python;
  }
  return undefined;
}

/** Real Django with the code of docs/migration.md. */
export async function startDjango(python: string): Promise<Application> {
  const folder = temporaryFolder();
  const inFolder = (...names: string[]) => join(folder.path, ...names);
  await cp(join(import.meta.dir, "django"), folder.path, { recursive: true });
  await writeFile(inFolder("chat-key.pem"), newKey().privateKey);
  const append = async (file: string, code: string) => writeFile(inFolder(file), `\n${code}`, { flag: "a" });
  await append("settings.py", codeBlock("settings.py").replace("/etc/app", folder.path));
  await append("urls.py", codeBlock("urls.py"));
  await append("chat/tokens.py", codeBlock("chat/tokens.py"));
  await append("chat/views.py", codeBlock("chat/views.py"));
  const django = startProcess([python, "run.py"], {
    cwd: folder.path,
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const output = await django.waitForOutput(/listening on \S+\n/);
  return {
    url: /http\S+/.exec(output)?.[0] ?? "",
    async setChatHost(host) {
      await mkdir(inFolder("templates/chat"), { recursive: true });
      await writeFile(inFolder("templates/chat/room.html"), page.replace("{{ host }}", host));
    },
    async [Symbol.asyncDispose]() {
      await django[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Answers as the application of `startDjango` does, where there is no Django. */
export async function startStandIn(): Promise<Application> {
  const key = newKey();
  const privateKey = await importPKCS8(key.privateKey, "RS256", { extractable: true });
  const { kty, n, e } = await exportJWK(privateKey);
  const jwk = { kty, key_ops: ["verify"], n, e, kid: "chat-1", alg: "RS256", use: "sig" };
  const sessions = new Set<string>();
  let chatHost = "";
  const isLoggedIn = (request: Bun.BunRequest) => sessions.has(request.cookies.get("sessionid") ?? "");
  const signToken = (seconds = 3600) => {
    const now = Math.floor(Date.now() / 1000);
    const user = { sub: "1", email: "alice@example.com", email_verified: true, name: "alice" };
    const claims = { iss: "https://app.example.com", aud: "https://chat.example.com", ...user };
    return new SignJWT({ ...claims, iat: now, exp: now + seconds })
      .setProtectedHeader({ alg: "RS256", kid: "chat-1", typ: "JWT" })
      .sign(privateKey);
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/login/": (request) => {
        const id = crypto.randomUUID();
        sessions.add(id);
        request.cookies.set("sessionid", id, { httpOnly: true, sameSite: "lax" });
        return new Response();
      },
      "/chat/token/": async (request) => {
        const headers = { "cache-control": "max-age=0, no-cache, no-store, must-revalidate, private" };
        return isLoggedIn(request)
          ? Response.json({ token: await signToken() }, { headers })
          : Response.json({ error: "Log in first." }, { status: 401, headers });
      },
      "/chat/jwks.json": () => Response.json({ keys: [jwk] }),
      "/room/:name/": async (request) => {
        if (!isLoggedIn(request)) return Response.redirect("/accounts/login/");
        const cookie = {
          maxAge: 12 * 3600,
          path: "/ws",
          secure: true,
          httpOnly: true,
          sameSite: "lax",
        } as const;
        request.cookies.set("parley_session", await signToken(cookie.maxAge), cookie);
        const room = `<script id="room-name" type="application/json">"${request.params.name}"</script>`;
        const html = page
          .replace("{{ host }}", chatHost)
          .replace('{{ room_name|json_script:"room-name" }}', room);
        return new Response(html, { headers: { "content-type": "text/html" } });
      },
    },
  });
  return {
    url: server.url.origin,
    async setChatHost(host) {
      chatHost = host;
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
