import { render } from "preact";

import { App } from "./app.tsx";
import { registerServiceWorker } from "./offline/register.ts";

const root = document.getElementById("app");
if (root) render(<App />, root);
void registerServiceWorker();
