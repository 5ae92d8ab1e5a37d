export default {
  input: "openapi.json",
  output: { path: "build/sdk/typescript/src", importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
};
