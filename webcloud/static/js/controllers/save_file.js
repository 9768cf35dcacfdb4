// Saves a text of the page as a file: data-save-from names the element, data-save-as the file.
export function connect(button) {
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.saveFrom).textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-pem-file" }));
    link.download = button.dataset.saveAs;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
