import { html, raw } from "hono/html";

import type { Form } from "./form.ts";

const STYLE = `
:root { color-scheme: light dark; font: 0.9375rem/1.45 system-ui, sans-serif;
  --page: light-dark(#ffffff, #17181a); --text: light-dark(#1b1e20, #e8eaeb); --muted: light-dark(#5b6266, #a3a9ad);
  --line: light-dark(#878d90, #747a7f); --hover: light-dark(#eceeee, #2a2d30); --accent: light-dark(#0b6b62, #5cc8ba); }
body { background: var(--page); color: var(--text); margin: 0 auto; max-width: 22rem; padding: 12vh 1.5rem 2rem; }
h1 { font-size: 1.375rem; margin: 0 0 0.25rem; }
h2 { font-size: 1.0625rem; margin: 2rem 0 0.75rem; }
p { color: var(--muted); margin: 0 0 1.5rem; }
form { display: grid; gap: 0.5rem; }
label { display: grid; gap: 0.25rem; font-size: 0.8125rem; font-weight: 500; }
button, input { background: none; border: 1px solid var(--line); border-radius: 0.5rem; box-sizing: border-box; color: inherit;
  font: inherit; font-size: 1rem; min-height: 2.75rem; padding: 0.25rem 0.75rem; width: 100%; }
button { cursor: pointer; font-weight: 500; }
button:hover { background: var(--hover); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.primary { background: var(--accent); border-color: var(--accent); color: light-dark(#ffffff, #06231f); margin-top: 0.25rem; }
.primary:hover { background: color-mix(in oklab, var(--accent) 88%, var(--text)); }
.error { color: light-dark(#b3261e, #f2938c); }
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
        <h2>Or as somebody new</h2>
        <form method="post">
          ${hidden(parameters)}
          <label>Name or email <input name="user" required autocomplete="off" /></label>
          <button class="primary">Sign in</button>
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
