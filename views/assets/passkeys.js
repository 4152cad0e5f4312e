// Passkeys: asks the browser for one and posts what it answers with the form that holds the question.

// Shorter than the server remembers its question (five minutes), so that nobody answers one that is over.
const LASTS = 4.5 * 60 * 1000;
const opened = performance.now();
const isOver = () => performance.now() - opened > LASTS;

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
const withBytes = (list = []) => list.map((one) => ({ ...one, id: bytes(one.id) }));

/** The options as the browser takes them, and its answer as the server does: parse…FromJSON and toJSON where they are not. */
const ask = {
  create: (options) =>
    navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: withBytes(options.excludeCredentials),
      },
    }),
  get: (options, more) =>
    navigator.credentials.get({
      ...more,
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: withBytes(options.allowCredentials),
      },
    }),
};

function answerOf({ id, rawId, type, response }) {
  const parts = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];
  const present = parts.filter((part) => response[part]);
  return JSON.stringify({
    id,
    rawId: text(rawId),
    type,
    response: {
      ...Object.fromEntries(present.map((part) => [part, text(response[part])])),
      ...(response.getTransports && { transports: response.getTransports() }),
    },
  });
}

/** Which of the sentences that the form brings along says what happened. */
function sentenceFor(error) {
  if (error.name === 'NotAllowedError' || error.name === 'AbortError') return 'cancelled';
  if (error.name === 'InvalidStateError') return 'known';
  if (error.name === 'SecurityError') return 'place';
  if (error.name === 'NotSupportedError' || error.name === 'ConstraintError') return 'unsupported';
  return 'failed';
}

function setUp(form) {
  const { passkey: kind, options: json } = form.dataset;
  const options = JSON.parse(json);
  const button = form.querySelector('button[type="button"]');
  const problem = form.querySelector('[data-problem]');
  let waiting;

  const tell = (which) => {
    problem.lastElementChild.textContent = which === undefined ? '' : form.dataset[which];
    problem.hidden = which === undefined;
  };
  const send = (credential) => {
    form.elements.response.value = answerOf(credential);
    form.requestSubmit();
  };
  const start = async () => {
    if (isOver()) return location.assign(location.pathname + location.search);
    waiting?.abort();
    tell();
    button.setAttribute('aria-disabled', 'true');
    try {
      send(await ask[kind](options));
    } catch (error) {
      button.removeAttribute('aria-disabled');
      tell(sentenceFor(error));
    }
  };
  const offerInField = async () => {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    waiting = new AbortController();
    setTimeout(() => waiting.abort(), LASTS);
    // Not taken up, or cancelled: there is the password, and the button.
    await ask.get(options, { mediation: 'conditional', signal: waiting.signal }).then(send, () => {});
  };

  if (!globalThis.PublicKeyCredential) {
    if (form.dataset.autofill === undefined) tell('unsupported');
    return;
  }
  button.hidden = false;
  button.addEventListener('click', () => button.ariaDisabled !== 'true' && start());
  // The enter key in a field of the form.
  form.addEventListener('submit', (event) => {
    if (form.elements.response.value !== '') return;
    event.preventDefault();
    event.stopPropagation();
    start();
  });
  // Coming back by the back button: what was answered then is worth nothing now.
  addEventListener('pageshow', () => (form.elements.response.value = ''));
  if (form.dataset.autofill !== undefined) offerInField();
}

for (const form of document.querySelectorAll('form[data-passkey]')) setUp(form);
