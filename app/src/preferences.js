// What this is for: hydration.rs
const KEPT = "typed";
const form = document.querySelector(".preferences");
const typed = () => document.querySelectorAll("main [name=email], main [name=verification_code]");

form.addEventListener("mousedown", (event) => event.preventDefault());
form.addEventListener("submit", (event) => {
  const { name, value } = event.submitter;
  if (name === "theme") {
    event.preventDefault();
    paint(value);
    const body = new URLSearchParams({ theme: value });
    fetch(form.action, { method: "POST", body, keepalive: true }).catch(() => {});
  } else {
    const fields = Array.from(typed(), (field) => [field.name, field.value]);
    store(JSON.stringify([location.pathname, fields]));
  }
});

const [path, fields] = JSON.parse(store(null) ?? "[]");
if (path === location.pathname) {
  const values = new Map(fields);
  for (const field of typed()) {
    const value = values.get(field.name);
    if (value) {
      field.value = value;
      field.closest("details")?.setAttribute("open", "");
    }
  }
}

function paint(theme) {
  const root = document.documentElement;
  const isChosen = theme !== "system";
  isChosen ? root.setAttribute("data-theme", theme) : root.removeAttribute("data-theme");
  document.querySelector("meta[name=color-scheme]").content = isChosen ? theme : "light dark";
  for (const button of form.querySelectorAll("[name=theme]")) {
    button.setAttribute("aria-pressed", button.value === theme);
  }
}

function store(next) {
  try {
    const kept = sessionStorage.getItem(KEPT);
    next === null ? sessionStorage.removeItem(KEPT) : sessionStorage.setItem(KEPT, next);
    return kept;
  } catch {
    return null;
  }
}
