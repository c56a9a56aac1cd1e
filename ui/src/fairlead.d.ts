/** What `ui/build.ts` brings into the bundle. */

/** Whether this is a build for the console's makers, which has the gallery. */
declare const DEVELOPMENT: boolean;

declare module "fairlead:icons" {
  /** The URL of the file of all icons, one symbol each, by its name. */
  const url: string;
  export default url;
}
