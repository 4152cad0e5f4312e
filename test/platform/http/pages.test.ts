// The pipeline of pages: forms, cross-site checks, languages, headers, errors for people.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { page } from '../../../src/platform/http/page.ts';
import { type Application, ISSUER, start } from './application.ts';

const view = (name: string, error: string) => ({
  kind: 'view' as const,
  view: 'form',
  title: 'form.title',
  model: { name, error },
});

let shown = 0;
const pages = [
  page({
    method: 'GET',
    path: '/name/:uid',
    limit: 'page',
    params: z.object({ uid: z.string().max(20) }),
    csrfBinding: ({ uid }) => uid ?? '',
    run: () => ({
      ...view('', ''),
      formAction: ['https://app.example/callback?a=b', 'com.example.app:/back'],
    }),
  }),
  page({
    method: 'POST',
    path: '/name/:uid',
    limit: 'sign-in',
    params: z.object({ uid: z.string() }),
    form: z.object({ name: z.string().min(1, 'form.name_missing').max(20), password: z.string().min(3) }),
    csrfBinding: ({ uid }) => uid ?? '',
    run: ({ form, formErrors, typed, t }) => {
      if (form !== undefined) return { kind: 'redirect', to: `/done?name=${form.name}` };
      const words = Object.entries(formErrors).map(([field, key]) => `${field}=${t(key)}`);
      return { ...view(typed.name ?? '', `${words.join('|')}#${Object.keys(typed)}`), status: 422 };
    },
  }),
  page({ method: 'GET', path: '/away', limit: 'page', run: () => view('', '') }),
  page({
    method: 'POST',
    path: '/away',
    limit: 'page',
    run: () => ({ kind: 'redirect', to: 'com.example.app:/cb?code=1' }),
  }),
  page({
    method: 'GET',
    path: '/own',
    limit: 'page',
    run: ({ ctx }) => {
      ctx.body = 'own words';
      return { kind: 'answered' };
    },
  }),
  page({
    method: 'GET',
    path: '/fixed',
    limit: 'page',
    run: () => {
      shown += 1;
      return { kind: 'view', view: 'fixed', title: 'form.title', model: { times: shown }, fixed: true };
    },
  }),
  page({
    method: 'GET',
    path: '/bomb',
    limit: 'page',
    run: () => {
      throw new Error('secret inner detail');
    },
  }),
];

let app: Application;
beforeAll(async () => {
  app = await start({
    pages,
    files: { 'views/fixed.ejs': "<p lang='<%= locale %>'><%= model.times %></p>" },
  });
});
afterAll(() => app.stop());

async function open(path = '/name/1', headers: Record<string, string> = {}) {
  const response = await fetch(app.url + path, { headers });
  const html = await response.text();
  return {
    response,
    html,
    cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '',
    token: /name="_csrf" value="([^"]+)"/.exec(html)?.[1] ?? '',
  };
}

function send(body: string, headers: Record<string, string> = {}, path = '/name/1') {
  return fetch(app.url + path, {
    method: 'POST',
    redirect: 'manual',
    body,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Sec-Fetch-Site': 'same-origin',
      Accept: 'text/html',
      ...headers,
    },
  });
}

async function submit(fields: string, headers: Record<string, string> = {}, path = '/name/1') {
  const { cookie, token } = await open();
  return send(`${fields}&_csrf=${token}`, { Cookie: cookie, ...headers }, path);
}

const GOOD = 'name=Ada&password=secret';

describe('a form', () => {
  it('is accepted from our own page and answered with 303', async () => {
    const response = await submit('name=Ada+%C3%84&password=secret');
    expect([response.status, response.headers.get('location')]).toEqual([303, '/done?name=Ada%20%C3%84']);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('may lead to an app with its own scheme', async () => {
    const { cookie, token } = await open('/away');
    const response = await send(`_csrf=${token}`, { Cookie: cookie }, '/away');
    expect([response.status, response.headers.get('location')]).toEqual([303, 'com.example.app:/cb?code=1']);
  });

  it('comes back with errors in the language of the person, what was typed, and without the password', async () => {
    const { cookie, token } = await open();
    const body = `name=${encodeURIComponent('<b>much longer than twenty</b>')}&password=x&_csrf=${token}`;
    const response = await send(body, { Cookie: cookie, 'Accept-Language': 'de-AT' });
    const html = await response.text();
    expect(response.status).toBe(422);
    expect(html).toContain('value="&lt;b&gt;much longer than twenty&lt;/b&gt;"');
    expect(html).toContain('name=field.error.tooLong|password=field.error.required#name<');
    expect(html).not.toContain('value="x"');
    const empty = await submit('name=&password=secret', { 'Accept-Language': 'de' });
    expect(await empty.text()).toContain('name=Bitte nennen Sie Ihren Namen.#name');
  });

  it.each([
    ['a repeated field', 'name=a&name=b&password=secret', 400],
    ['a null byte', 'name=a%00&password=secret', 400],
    ['broken encoding', 'name=%zz&password=secret', 400],
    ['bytes that are not UTF-8', 'name=%ff&password=secret', 400],
    ['too much', `name=${'x'.repeat(2000)}&password=secret`, 413],
    ['too many fields', Array.from({ length: 201 }, (_, i) => `${i}=`).join('&'), 400],
  ])('refuses %s', async (_what, fields, status) => {
    const response = await submit(fields);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  });

  it.each(['application/json', 'multipart/form-data; boundary=a', 'text/plain'])(
    'refuses %s',
    async (type) => {
      const response = await submit(GOOD, { 'Content-Type': type });
      expect(response.status).toBe(415);
    },
  );
});

describe('cross-site requests', () => {
  it.each(['cross-site', 'same-site'])(
    'are refused when the browser says %s, even with the token',
    async (site) => {
      const response = await submit(GOOD, { 'Sec-Fetch-Site': site });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain('cross_site_request');
    },
  );

  it('are refused by Origin when the browser does not send fetch metadata', async () => {
    const { cookie, token } = await open();
    const post = (headers: Record<string, string>) =>
      fetch(`${app.url}/name/1`, {
        method: 'POST',
        redirect: 'manual',
        body: `${GOOD}&_csrf=${token}`,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', Cookie: cookie, ...headers },
      });
    // fetch of Node sends `Sec-Fetch-Mode` alone, so these headers decide.
    expect((await post({ Origin: 'https://evil.example' })).status).toBe(403);
    expect((await post({ Origin: 'null' })).status).toBe(403);
    expect((await post({ Referer: 'https://evil.example/x' })).status).toBe(403);
    expect((await post({ Origin: ISSUER })).status).toBe(303);
    expect((await post({ Referer: `${ISSUER}/name/1` })).status).toBe(303);
    expect((await post({})).status).toBe(303);
  });

  it('are refused without the cookie, with a page that leads back', async () => {
    const { token } = await open();
    const response = await send(`${GOOD}&_csrf=${token}`);
    const html = await response.text();
    expect(response.status).toBe(403);
    expect(html).toContain('<b>form_expired</b><a href="/name/1">');
  });

  it('are refused without the token, with a foreign one, and with one of another sign-in', async () => {
    const mine = await open();
    const theirs = await open();
    const other = await open('/name/2', { Cookie: mine.cookie });
    const post = (token: string) => send(`${GOOD}${token}`, { Cookie: mine.cookie });
    expect((await post('')).status).toBe(403);
    expect((await post('&_csrf=')).status).toBe(403);
    expect((await post(`&_csrf=${theirs.token}`)).status).toBe(403);
    expect((await post(`&_csrf=${other.token}`)).status).toBe(403);
    expect((await post(`&_csrf=${mine.token}`)).status).toBe(303);
  });

  it('keeps one cookie, so that a second tab does not break the first', async () => {
    const first = await open();
    const second = await open('/name/1', { Cookie: first.cookie });
    expect(second.response.headers.getSetCookie()).toEqual([]);
    expect(second.token).toBe(first.token);
  });
});

describe('the cookie', () => {
  it('has no prefix on plain http and is closed to scripts', async () => {
    const { response } = await open();
    expect(response.headers.getSetCookie()[0]).toMatch(
      /^gatehouse_csrf=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  });

  it('has the __Host- prefix and Secure when the issuer is https, below a path too', async () => {
    const secure = await start({ pages, issuer: 'https://id.example/auth' });
    const response = await fetch(`${secure.url}/auth/name/1`);
    expect(response.status).toBe(200);
    expect(response.headers.getSetCookie()[0]).toMatch(
      /^__Host-gatehouse_csrf=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    expect(response.headers.get('strict-transport-security')).toBe('max-age=63072000; includeSubDomains');
    await secure.stop();
  });
});

describe('a page', () => {
  it('has its security headers, with a fresh nonce and the places its form may lead to', async () => {
    const { response, html } = await open();
    const { headers } = response;
    const policy = headers.get('content-security-policy') ?? '';
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
    expect(html).toContain(`<style nonce="${nonce}">`);
    expect(policy).toContain("form-action 'self' https://app.example com.example.app:;");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('permissions-policy')).toContain('camera=()');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('strict-transport-security')).toBe(false);
    const again = await open();
    expect(again.response.headers.get('content-security-policy')).not.toBe(policy);
  });

  it('speaks the language of ui_locales first and of Accept-Language second', async () => {
    const de = await open('/name/1', { 'Accept-Language': 'fr, de;q=0.8, en;q=0.5' });
    expect(de.html).toContain('<title>Ihr Name</title>');
    expect(de.response.headers.get('content-language')).toBe('de');
    const en = await open('/name/1?ui_locales=en', { 'Accept-Language': 'de' });
    expect(en.html).toContain('<title>Your name</title>');
  });

  it('may write its own answer', async () => {
    expect((await open('/own')).html).toBe('own words');
  });

  it('lets decorated links through but no repeated parameter', async () => {
    expect((await open('/name/1?utm_source=mail')).response.status).toBe(200);
    expect((await open('/name/1?a=1&a=2')).response.status).toBe(400);
  });
});

describe('errors for people', () => {
  const html = { Accept: 'text/html' };

  it('are a page with the request id, in their language', async () => {
    const { response, html: text } = await open('/nowhere', { ...html, 'Accept-Language': 'de' });
    expect(response.status).toBe(404);
    expect(text).toContain('Diese Seite gibt es nicht.');
    expect(text).toContain(`<i>${response.headers.get('x-request-id')}</i>`);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('are a problem for programs that ask for JSON', async () => {
    const { response } = await open('/nowhere', { Accept: 'application/json' });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  it('never show what went wrong inside', async () => {
    const { response, html: text } = await open('/bomb', html);
    expect(response.status).toBe(500);
    expect(text).toContain('internal_error');
    expect(text).not.toContain('secret inner detail');
  });

  it('escape whatever a stranger put into the request', async () => {
    const { html: text } = await open('/%3Cscript%3Ealert(1)%3C/script%3E', {
      ...html,
      'X-Request-ID': '<script>',
    });
    expect(text).not.toContain('<script>');
  });

  it('still arrive when the error page itself is broken', async () => {
    const broken = await start({ pages, files: { 'views/errors/error.ejs': '<%= missing.thing %>' } });
    const response = await fetch(`${broken.url}/nowhere`, { headers: html });
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('There is nothing at this address.');
    expect(broken.lines.some(({ level }) => level === 'error')).toBe(true);
    await broken.stop();
  });
});

describe('a fixed page', () => {
  it('is made once for each language, in a frame of its own each time', async () => {
    const bodies = [];
    const ids = new Set<string | undefined>();
    for (const language of ['en', 'de', 'en', 'de']) {
      const { html } = await open('/fixed', { 'Accept-Language': language });
      bodies.push(/<p lang='(\w+)'>(\d+)</.exec(html)?.slice(1).join(' '));
      ids.add(/<i>([^<]+)</.exec(html)?.[1]);
    }
    expect(bodies).toEqual(['en 1', 'de 2', 'en 1', 'de 2']);
    expect(ids.size).toBe(4);
  });
});
