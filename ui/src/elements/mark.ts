/** Fairlead's mark, as on the tab. */
import { html } from "lit";

export const mark = html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#2f62d9"></rect><path d="M6 20.5h20l-3.4 4.3a2.4 2.4 0 0 1-1.9.9h-9.4a2.4 2.4 0 0 1-1.9-.9z" fill="#fff"></path><path d="M15 6v12H7.5zM17.5 9.5 23.8 18h-6.3z" fill="#fff"></path></svg>`;
