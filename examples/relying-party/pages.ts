// The pages of the example app, as functions from what is known to HTML. No script; every value is escaped.
import type { Notice } from './sessions.ts';
import type { SignedIn } from './sign-in.ts';

/** Text that is HTML already; everything else is escaped where it is put in. */
class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[] | undefined;

function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((string, index) => string + textOf(parts[index])).join(''));
}

function textOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map((one) => one.text).join('\n');
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function signedOutPage(notice?: Notice): string {
  return frame(
    'Demo app',
    html`<h1>A small app that signs people in</h1>
      ${noticeBox(notice)}
      <p>It knows no passwords. To sign you in, it sends you to Gatehouse, and Gatehouse sends you back.</p>
      <p>It will ask to read your notes in another program, the notes API. You decide there whether it may.</p>
      <p class="actions"><a class="button" href="/sign-in">Sign in with Gatehouse</a></p>`,
  );
}

export function homePage(person: SignedIn, notice: Notice | undefined): string {
  return frame(
    'Signed in',
    html`<h1>Hello, ${person.name}</h1>
      ${noticeBox(notice)}
      ${apiSection(person)}
      ${tokenSection(person)}
      <section aria-labelledby="claims">
        <h2 id="claims">What the ID token says</h2>
        <p>Gatehouse signed this. The app checked signature, issuer, audience, time and nonce.</p>
        <dl>${Object.entries(person.claims).map(([name, value]) => fact(name, claimText(name, value)))}</dl>
      </section>
      <section aria-labelledby="leave">
        <h2 id="leave">Leave</h2>
        <p>The app forgets you, gives its refresh token back, and sends you to Gatehouse, where you may sign out, too.</p>
        ${button('/sign-out', 'Sign out', 'quiet')}
      </section>`,
  );
}

export function messagePage(title: string, sentence: string): string {
  return frame(
    title,
    html`<h1>${title}</h1>
      <p>${sentence}</p>
      <p class="actions"><a class="button" href="/">Back to the start</a></p>`,
  );
}

function apiSection({ apiToken }: SignedIn): Html {
  const permissions = apiToken?.permissions.join(', ') || 'none';
  return html`<section aria-labelledby="api">
    <h2 id="api">The notes API</h2>
    <p>A program of its own. It believes nobody but the access token: ${
      apiToken
        ? html`yours permits <code>${permissions}</code>.`
        : 'the app asks for yours at the first call.'
    }</p>
    <div class="actions">${button('/notes/read', 'Read my notes')} ${button('/notes/write', 'Write a note', 'quiet')}</div>
  </section>`;
}

function tokenSection({ apiToken, refreshes }: SignedIn): Html {
  return html`<section aria-labelledby="tokens">
    <h2 id="tokens">Tokens</h2>
    <p>An access token lives for minutes. The refresh token gets the next one, and is itself replaced each time.</p>
    <dl>
      ${fact('access token', apiToken ? html`good until <time>${clockTime(apiToken.expiresAt)}</time>` : 'not asked for yet')}
      ${fact('refreshed', refreshes === 1 ? 'once' : `${refreshes} times`)}
    </dl>
    <div class="actions">${button('/refresh', 'Refresh now', 'quiet')}</div>
  </section>`;
}

function noticeBox(notice: Notice | undefined): Html | undefined {
  if (notice === undefined) return undefined;
  const ask = html`<p><a href="/sign-in?permission=${notice.missing}">Ask for this permission</a></p>`;
  return html`<div class="notice ${notice.kind}" role="status">
    <p><strong>${notice.title}</strong></p>
    ${notice.lines.length > 0 ? html`<pre tabindex="0">${notice.lines.join('\n')}</pre>` : undefined}
    ${notice.missing === undefined ? undefined : ask}
  </div>`;
}

function button(action: string, label: string, look = ''): Html {
  return html`<form method="post" action="${action}"><button class="button ${look}">${label}</button></form>`;
}

function fact(name: string, value: string | Html): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function claimText(name: string, value: unknown): string {
  const isTime = ['exp', 'iat', 'auth_time', 'nbf'].includes(name) && typeof value === 'number';
  if (isTime) return `${value} (${clockTime(new Date(value * 1000))})`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function clockTime(date: Date): string {
  return `${date.toISOString().slice(11, 19)} UTC`;
}

function frame(title: string, body: Html): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title === 'Demo app' ? title : `${title} · Demo app`}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header><p>Demo app <span>an example</span></p></header>
<main>
${body}
</main>
</body>
</html>
`.text;
}
