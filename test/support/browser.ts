// A browser without JavaScript: keeps cookies, follows redirects on the server's own origin, reads and sends forms.

export interface Form {
  readonly action: string;
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Shown {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  readonly forms: readonly Form[];
}

export interface Browser {
  /** Follows redirects until a page is shown, or until one leads away from the origin: then that address is `url`. */
  open(url: string): Promise<Shown>;
  /** Sends the form whose action ends with `action` (the first one without it), with these fields over its own. */
  submit(page: Shown, fields: Record<string, string>, action?: string): Promise<Shown>;
  readonly cookies: Map<string, string>;
  readonly headers: Record<string, string>;
}

export function createBrowser(origin: string): Browser {
  // By name and path: two sign-ins in two tabs each have an interaction cookie of their own.
  const cookies = new Map<string, { name: string; value: string; path: string }>();
  const plain = new Map<string, string>();
  const headers: Record<string, string> = { accept: 'text/html', 'user-agent': 'TestBrowser/1.0' };

  async function request(url: string, init: RequestInit): Promise<Shown> {
    let next = url;
    let options = init;
    for (let hop = 0; hop < 20; hop += 1) {
      const response = await fetch(next, {
        ...options,
        headers: { ...headers, ...options.headers, ...cookieHeader(next) },
        redirect: 'manual',
      });
      keepCookies(response);
      const location = response.headers.get('location');
      if (!location || response.status < 300 || response.status > 399) return shown(next, response);
      await response.body?.cancel();
      next = new URL(location, next).href;
      if (new URL(next).origin !== origin) {
        return { url: next, status: response.status, headers: response.headers, html: '', forms: [] };
      }
      options = {};
    }
    throw new Error(`too many redirects, last to ${next}`);
  }

  function cookieHeader(url: string): Record<string, string> {
    const { pathname } = new URL(url);
    const fitting = [...cookies.values()].filter(({ path }) => path === '/' || pathname.startsWith(path));
    if (fitting.length === 0) return {};
    return { cookie: fitting.map(({ name, value }) => `${name}=${value}`).join('; ') };
  }

  function keepCookies(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(/;\s*/);
      const name = pair.slice(0, pair.indexOf('='));
      const value = pair.slice(pair.indexOf('=') + 1);
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/';
      const expired = attributes.some((attribute) => /^expires=thu, 01 jan 1970/i.test(attribute));
      if (expired || value === '') {
        cookies.delete(`${name} ${path}`);
        plain.delete(name);
      } else {
        cookies.set(`${name} ${path}`, { name, value, path });
        plain.set(name, value);
      }
    }
  }

  return {
    cookies: plain,
    headers,
    open: (url) => request(new URL(url, origin).href, {}),
    submit(page, fields, action) {
      const form = page.forms.find((candidate) => !action || candidate.action.endsWith(action));
      if (!form) throw new Error(`no form ${action ?? ''} on ${page.url}:\n${page.html.slice(0, 2000)}`);
      const body = new URLSearchParams({ ...form.fields, ...fields });
      const fetchSite = { 'sec-fetch-site': 'same-origin', origin };
      return request(form.action, { method: 'POST', body, headers: fetchSite });
    },
  };
}

async function shown(url: string, response: Response): Promise<Shown> {
  const html = await response.text();
  return { url, status: response.status, headers: response.headers, html, forms: formsIn(html, url) };
}

function formsIn(html: string, base: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, attributes = '', inner = '']) => ({
    action: new URL(decode(attribute(attributes, 'action') ?? ''), base).href,
    method: attribute(attributes, 'method') ?? 'get',
    fields: Object.fromEntries(
      [...inner.matchAll(/<input\b([^>]*)>/g)]
        // As browsers do: a box that is not ticked is not sent.
        .filter(([, input = '']) => !/type="(checkbox|radio)"/.test(input) || /\bchecked\b/.test(input))
        .map(([, input = '']) => [attribute(input, 'name'), decode(attribute(input, 'value') ?? '')] as const)
        .filter((entry): entry is [string, string] => entry[0] !== undefined),
    ),
  }));
}

function attribute(text: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1];
}

function decode(text: string): string {
  return text
    .replaceAll('&#34;', '"')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
