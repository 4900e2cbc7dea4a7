// What this is for: hydration.rs, which imports `start` and `app` and says where the `wasm` is.
const pause = () => new Promise((go) => setTimeout(go));

await start({ module_or_path: wasm });
if (document.readyState === "loading") {
  await new Promise((go) => addEventListener("DOMContentLoaded", go));
}
// In steps, between which the page answers to whoever is using it already.
await pause();
app.hydrate();
for (const island of document.querySelectorAll("leptos-island")) {
  await pause();
  // Translated already, by elements of the browser's own: it stays a plain form, which works.
  if (island.querySelector("font")) continue;
  app[island.dataset.component](island);
}
performance.mark("awake");

// What is being typed just now has not been heard so far.
const field = document.activeElement;
if (field?.matches("leptos-island input") && field.value !== field.defaultValue) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
