/**
 * Reads the course table out under the pointer. All that a page says is there without it.
 * It is text here, as the page carries it and its hash.
 */
export const script = `
const rows = [...document.querySelectorAll("#course tbody tr")];
const names = [...document.querySelectorAll("#course th")].map((cell) => cell.textContent);
for (const figure of document.querySelectorAll("figure[data-columns]:not([data-columns=''])")) {
  const plot = figure.querySelector(".plot");
  const svg = plot.firstElementChild;
  const cursor = plot.appendChild(document.createElement("div"));
  const note = plot.appendChild(document.createElement("div"));
  cursor.className = "cursor";
  note.className = "note";
  cursor.hidden = note.hidden = true;
  plot.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const row = rows.findLast((one) => Number(one.dataset.at) <= share * figure.dataset.seconds) ?? rows[0];
    if (!row) return;
    note.textContent = [0, ...figure.dataset.columns.split(" ")]
      .map((column) => names[column] + " " + row.cells[column].textContent)
      .join("\\n");
    cursor.hidden = note.hidden = false;
    cursor.style.left = note.style.left = box.left - plot.getBoundingClientRect().left + share * box.width + "px";
    note.classList.toggle("before", share > 0.6);
  });
  plot.addEventListener("pointerleave", () => (cursor.hidden = note.hidden = true));
}
`;
