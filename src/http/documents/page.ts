import license from "swagger-ui-dist/LICENSE" with { type: "file" };
import notice from "swagger-ui-dist/NOTICE" with { type: "file" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };

import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };

/** The page at /docs: Swagger UI, which reads /openapi.json. All of it is in the binary. */

/** Nothing but the page's own files. The style sheet has its icons in `data:` URLs. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export const pageHeaders = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Parley: HTTP API</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
    <link rel="stylesheet" href="docs/page.css" />
  </head>
  <body>
    <div id="docs"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: "openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  displayRequestDuration: true,
  // No badge of a validator on the internet.
  validatorUrl: null,
});
`;

/** There is one server, and no response has links: their column would make the page too wide for a phone. */
const STYLE = `.swagger-ui .servers-title, .swagger-ui .servers, .swagger-ui .response-col_links { display: none; }
.swagger-ui .info { margin: 24px 0; }
.swagger-ui .scheme-container { padding: 0 0 16px; box-shadow: none; }
`;

export interface PageFile {
  contentType: string;
  read: () => Promise<string>;
}

export const page: PageFile = { contentType: "text/html; charset=utf-8", read: async () => HTML };

/** The files of the page, by name. */
export const pageFiles: Readonly<Record<string, PageFile>> = {
  "start.js": { contentType: "text/javascript; charset=utf-8", read: async () => START },
  "page.css": { contentType: "text/css; charset=utf-8", read: async () => STYLE },
  "swagger-ui-bundle.js": {
    contentType: "text/javascript; charset=utf-8",
    read: () => Bun.file(script).text(),
  },
  "swagger-ui.css": { contentType: "text/css; charset=utf-8", read: () => Bun.file(style).text() },
  // The binary has copies of Swagger UI, whose license (Apache-2.0) comes with them.
  LICENSE: { contentType: "text/plain; charset=utf-8", read: () => Bun.file(license).text() },
  NOTICE: { contentType: "text/plain; charset=utf-8", read: () => Bun.file(notice).text() },
};
