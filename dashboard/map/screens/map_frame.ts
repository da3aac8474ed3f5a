// The map in its place on a screen, or the reason why there is none.

import { type CountyMap, type CountyMapOptions, createCountyMap } from "../county_map.ts";
import { make, type Page } from "./page.ts";

/** Draws the map into an element; where the browser cannot, that is said there, and all else of the screen goes on. */
export async function openMap(page: Page, element: HTMLElement, options: CountyMapOptions): Promise<CountyMap | null> {
  try {
    return await createCountyMap(element, options);
  } catch (error) {
    console.error("the map cannot be drawn", error);
    const reason = make("p", "no-map", page.say("common.no_map"));
    reason.setAttribute("role", "alert");
    element.append(reason);
    return null;
  }
}
