/** Imported with `type: "file"`: the path of the file, which in the binary is inside of it. */
declare module "swagger-ui-dist/swagger-ui-bundle.js" {
  const path: string;
  export default path;
}
declare module "swagger-ui-dist/swagger-ui.css" {
  const path: string;
  export default path;
}
declare module "swagger-ui-dist/LICENSE" {
  const path: string;
  export default path;
}
declare module "swagger-ui-dist/NOTICE" {
  const path: string;
  export default path;
}
