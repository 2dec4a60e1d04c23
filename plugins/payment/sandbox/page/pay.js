"use strict";
const part = (id) => document.getElementById(id);
const token = location.hash.slice(1);
const buttons = [part("approve"), part("decline")];

function say(text, mood) {
  part("said").textContent = text;
  part("said").className = mood;
}

async function ask(path, options) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  const body = await answer.json();
  if (!body.success) throw new Error(body.error.message);
  return body.data;
}

function posted(body, headers) {
  return { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
}

async function show() {
  const bill = await ask(`/api/v1/payments/sandbox/bill?token=${encodeURIComponent(token)}`);
  const money = new Intl.NumberFormat("en-IN", { style: "currency", currency: bill.currency });
  part("order").textContent = bill.orderNumber;
  part("method").textContent = bill.method.replace("_", " ");
  part("amount").textContent = money.format(bill.amount);
  part("bill").hidden = part("choice").hidden = false;
  say("", "");
}

async function decide(approve) {
  buttons.forEach((button) => { button.disabled = true; });
  say("Sending…", "");
  try {
    const notice = await ask("/api/v1/payments/sandbox/decisions", posted(JSON.stringify({ token, approve })));
    await ask(notice.url, posted(notice.body, { [notice.header]: notice.signature }));
    say(approve ? "Approved. You can go back to the shop." : "Declined. It can still be approved here.",
      approve ? "good" : "bad");
    part("choice").hidden = approve;
  } catch (error) {
    say(`That did not work: ${error.message}`, "bad");
  }
  buttons.forEach((button) => { button.disabled = false; });
  part("said").focus();
}

part("approve").addEventListener("click", () => decide(true));
part("decline").addEventListener("click", () => decide(false));
show().catch(() => say("This address is not that of a payment.", "bad"));
