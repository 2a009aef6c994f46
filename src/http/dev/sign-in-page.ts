import { html, raw } from "hono/html";

import type { Form } from "./form.ts";

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 10vh auto; max-width: 22rem; padding: 0 1rem; }
form { display: grid; gap: 0.75rem; }
button, input { box-sizing: border-box; font: inherit; padding: 0.5rem 0.75rem; width: 100%; }
.error { color: light-dark(#b00020, #ff8a80); }
`;
const STYLE_HASH = new Bun.CryptoHasher("sha256").update(STYLE).digest("base64");

// Raw, because the formatter would change the text that has this hash.
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);

export interface SignInPage {
  /** Users to pick from. */
  emails: readonly string[];
  /** The authorization request, which the form sends on. */
  parameters: Form;
  /** What was wrong with the name that was typed. */
  problem: string | undefined;
}

/** The page on which a developer picks the user that they want to be. It needs no script. */
export function signInPage({ emails, parameters, problem }: SignInPage) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Sign in to Parley</title>
        <link rel="icon" href="data:," />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <h1>Sign in</h1>
        <p>This is <code>parley dev</code>: sign in as anybody. There are no passwords.</p>
        ${problem === undefined ? "" : html`<p class="error" role="alert">${problem}</p>`}
        <form method="post">
          ${hidden(parameters)}
          ${emails.map((email) => html`<button name="user" value="${email}">${email}</button>`)}
        </form>
        <h2>Or somebody new</h2>
        <form method="post">
          ${hidden(parameters)}
          <label>Name or email <input name="user" required autocomplete="off" /></label>
          <button>Sign in</button>
        </form>
      </body>
    </html>`;
}

/** Headers of the page. The form may lead to the client, on whose origin a browser insists. */
export function signInPageHeaders(redirectUri: string) {
  return {
    "cache-control": "no-store",
    "content-security-policy": [
      "default-src 'none'",
      `style-src 'sha256-${STYLE_HASH}'`,
      "img-src data:",
      "base-uri 'none'",
      `form-action 'self' ${new URL(redirectUri).origin}`,
      "frame-ancestors 'none'",
    ].join("; "),
    // The form must be sent with its origin.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
  };
}

function hidden(parameters: Form) {
  return Object.entries(parameters).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );
}
