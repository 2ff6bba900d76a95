// Sets light or dark before the first paint. A classic script for that reason; the choice is app.js's to change.
document.documentElement.dataset.theme = localStorage.getItem("vitrail.theme") ?? "system";
