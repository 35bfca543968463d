// Dark or light: the reader's system decides until the switch is used, which is remembered.
// A classic script in the head, so that no page is shown in the wrong colours first.
(() => {
  const STORED = "trackline.theme";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = localStorage.getItem(STORED);
  if (chosen) root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const tell = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem(STORED, root.dataset.theme);
      tell();
    });
    system.addEventListener("change", tell);
    tell();
  });
})();
