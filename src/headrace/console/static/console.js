// What pages do beyond forms and links; all of them work without it.

// A form that is on its way is not sent again by a second click.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// The browser's back button may show the page as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
});

// Rows that hold every word that was typed.
for (const field of document.querySelectorAll("input[data-filter]")) {
  const rows = document.querySelectorAll(`#${field.dataset.filter} tbody tr`);
  field.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
