// Style sheets are bundled by esbuild; for TypeScript they have no exports.
declare module "*.css";
