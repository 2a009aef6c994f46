import { renderToString } from "react-dom/server";

import { App, Homeless, type View } from "./react-app.tsx";

export const render = (view: View): string => renderToString(<App {...view} />);
export const renderHomeless = (): string => renderToString(<Homeless />);
