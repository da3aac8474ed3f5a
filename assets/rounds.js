// Puts where somebody is into the form of a check-in before it is sent; without a place it goes as it is.
for (const form of document.querySelectorAll("form[data-place]")) {
  form.addEventListener("submit", (event) => {
    const button = form.querySelector("button");
    if (form.dataset.sent || !navigator.geolocation) return;
    event.preventDefault();
    button.disabled = true;
    button.textContent = form.dataset.wait;
    form.dataset.sent = "1";
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        form.elements.lon.value = coords.longitude.toFixed(6);
        form.elements.lat.value = coords.latitude.toFixed(6);
        form.submit();
      },
      () => form.submit(),
      { enableHighAccuracy: true, timeout: 10_000, maximumAge: 30_000 },
    );
  });
}
