// The path below which a proxy publishes the service, or nothing.
export const BASE = document.querySelector("#reference").dataset.base;
