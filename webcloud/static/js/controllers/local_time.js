// The exact time on hover, in the user's own time zone.
export function connect(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const format = new Intl.DateTimeFormat(document.documentElement.lang, {
    dateStyle: "full",
    timeStyle: "long",
  });
  time.title = format.format(at);
}
