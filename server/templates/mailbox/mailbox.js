// Shows new mail without a reload by hand.
const mails = document.getElementById("mails");

async function look() {
  try {
    const answer = await fetch("/dev/mailbox", { headers: { Accept: "application/json" } });
    const [newest] = await answer.json();
    if (String(newest?.id ?? 0) !== mails.dataset.newest) {
      location.reload();
      return;
    }
  } catch {
    // The server restarts: it will be back.
  }
  setTimeout(look, 2000);
}

setTimeout(look, 2000);
