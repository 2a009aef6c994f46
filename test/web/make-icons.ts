import { join } from "node:path";

import { startBrowser } from "../support/browser.ts";
import { root } from "../support/process.ts";

// Makes the icons of the page from icon.svg: `bun test/web/make-icons.ts`.

const folder = join(root, "src/web/static");
const ACCENT = "#0b6b62";
/** A launcher may cut off what is outside of a circle with a diameter of 80 % (W3C Manifest, "Icon masks"). */
const SAFE_PART = 0.56;

const icon = await Bun.file(join(folder, "icon.svg")).text();
const inverted = icon.replaceAll("#fff", "#_").replaceAll(ACCENT, "#fff").replaceAll("#_", ACCENT);

/** Draws the icon: on a transparent ground, or inverted and smaller on one that fills the square. */
const icons = [
  { name: "icon-192.png", size: 192, isFilled: false },
  { name: "icon-512.png", size: 512, isFilled: false },
  { name: "icon-180.png", size: 180, isFilled: true },
  { name: "icon-maskable.png", size: 512, isFilled: true },
];

await using cleanup = new AsyncDisposableStack();
const browser = await startBrowser();
cleanup.defer(() => browser.close());
const page = await browser.newPage();
for (const { name, size, isFilled } of icons) {
  const side = Math.round(size * (isFilled ? SAFE_PART : 1));
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`
    <body style="margin: 0; height: 100vh; display: grid; place-items: center; ${isFilled ? `background: ${ACCENT}` : ""}">
      <div style="width: ${side}px; height: ${side}px">${isFilled ? inverted : icon}</div>
    </body>`);
  await page.screenshot({ path: join(folder, name), omitBackground: true });
}
