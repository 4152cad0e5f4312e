// Small comforts on the hosted pages. Every page works without this file.

// Password fields get a button that shows what was typed.
for (const button of document.querySelectorAll('button.reveal')) {
  const input = document.getElementById(button.getAttribute('aria-controls') ?? '');
  if (!(input instanceof HTMLInputElement)) continue;
  const set = (shown) => {
    input.type = shown ? 'text' : 'password';
    button.textContent = (shown ? button.dataset.hide : button.dataset.show) ?? '';
    button.setAttribute('aria-label', (shown ? button.dataset.hideLabel : button.dataset.showLabel) ?? '');
  };
  button.addEventListener('click', () => {
    set(input.type === 'password');
    input.focus();
  });
  // Password managers and browsers should meet a password field, not text.
  input.form?.addEventListener('submit', () => set(false));
  set(false);
  button.hidden = false;
  button.parentElement?.classList.add('revealable');
}

// A second click while the first answer is on its way sends nothing.
const sent = new Set();

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  if (sent.size > 0) {
    event.preventDefault();
    return;
  }
  sent.add(form);
  // After the browser has collected the form, so that the pressed button is still part of it.
  setTimeout(() => event.submitter?.setAttribute('aria-disabled', 'true'), 0);
});

// What is to be copied is copied by a button, where the browser allows it.
for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector('span') ?? button;
  const { textContent: before } = label;
  if (!source || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(source.dataset.text ?? source.textContent.trim());
    label.textContent = button.dataset.copied;
    setTimeout(() => (label.textContent = before), 2000);
  });
}

for (const button of document.querySelectorAll('button[data-download]')) {
  const source = document.getElementById(button.dataset.download);
  if (!source) continue;
  button.hidden = false;
  button.addEventListener('click', () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([`${source.dataset.text}\n`], { type: 'text/plain' }));
    link.download = button.dataset.file;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

for (const button of document.querySelectorAll('button[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => print());
}

// What was done is told once, and not again when the page is loaded anew.
const here = new URL(location.href);
if (here.searchParams.has('done')) {
  here.searchParams.delete('done');
  history.replaceState(null, '', here);
}

// A page that only passes something on sends it by itself.
const passingOn = document.querySelector('form[data-passing-on]');
if (passingOn instanceof HTMLFormElement) passingOn.requestSubmit();

// Coming back by the back button must find a form that works.
addEventListener('pageshow', () => {
  sent.clear();
  for (const button of document.querySelectorAll('[aria-disabled]')) button.removeAttribute('aria-disabled');
});

// After a refused form, start where something needs to change, unless the page already said where.
const wrong = document.querySelector('[aria-invalid="true"], [data-focus]');
if (wrong instanceof HTMLElement && !document.querySelector('[autofocus]')) wrong.focus();
