// Catches every secret that goes over the wire during a test, by the names under which protocol and pages carry them, and
// finds it again in a text or a dump: in clear, as hex, base64 or base64url, at any alignment.

/** What `fetch` answered that a stranger may see: refusals and redirects. */
export interface SeenAnswer {
  readonly request: string;
  readonly status: number;
  readonly location: string;
  readonly text: string;
}

export interface CanaryNet {
  /** Secret → what it is. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly answers: readonly SeenAnswer[];
  plant(kind: string, secret: string): void;
  release(): void;
}

const FIELDS = new Set(
  `password client_secret client_assertion code code_verifier refresh_token access_token id_token id_token_hint token
  device_code user_code request_uri state nonce xsrf _csrf setup_link`.split(/\s+/),
);
const SHORTEST = 8;

/** Spreads the net: from here on every `fetch` of this process is looked through. */
export function spreadNet(): CanaryNet {
  const secrets = new Map<string, string>();
  const answers: SeenAnswer[] = [];
  const original = globalThis.fetch;

  const plant = (kind: string, secret: string) => {
    const bare = secret.replace(/^urn:ietf:params:oauth:request_uri:/, '');
    if (bare.length >= SHORTEST && !secrets.has(bare)) secrets.set(bare, kind);
  };
  const plantAll = (fields: Iterable<readonly [string, unknown]>) => {
    for (const [name, value] of fields) {
      // The account pages name the page to come back to; whatever an app says there is a secret.
      const isPath = name === 'state' && /^\/account(?:\/|$)/.test(String(value));
      if (FIELDS.has(name) && typeof value === 'string' && !isPath) plant(name, value);
      if (name === 'user_code' && typeof value === 'string') plant(name, value.replaceAll('-', ''));
    }
  };
  const plantAddress = (address: string) => {
    const url = URL.parse(address, 'http://none');
    if (!url) return;
    if (url.pathname === '/setup') plant('setup_link', url.searchParams.get('token') ?? '');
    plantAll(url.searchParams);
    const uid = /^\/(?:interaction|authorize|device)\/([\w-]{16,})/.exec(url.pathname)?.[1];
    if (uid) plant('interaction uid', uid);
  };

  async function lookThrough(request: Request, body: string, response: Response): Promise<void> {
    plantAddress(request.url);
    plantAll(new URLSearchParams(body));
    plant('authorization header', request.headers.get('authorization')?.split(' ')[1] ?? '');
    plant('DPoP proof', request.headers.get('dpop') ?? '');
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const [name, value = ''] = pair.split('=');
      plant(`cookie ${name}`, value);
    }
    const location = response.headers.get('location') ?? '';
    plantAddress(location);
    const text = await response.text();
    if (response.headers.get('content-type')?.includes('json')) plantJson(text);
    for (const [, name = '', value] of text.matchAll(/<input[^>]* name="([^"]+)"[^>]* value="([^"]+)"/g)) {
      plantAll([[name, value]]);
    }
    if (response.status >= 300) {
      const shown = { request: `${request.method} ${request.url}`, status: response.status, location, text };
      answers.push(shown);
    }
  }

  function plantJson(text: string): void {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null) return;
    // `code` in JSON is the code of a problem; codes of the protocol travel in addresses and forms.
    plantAll(Object.entries(body).filter(([name]) => name !== 'code'));
  }

  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const body = await request.clone().text();
    const response = await original(input, init);
    if (new URL(request.url).hostname === 'localhost') {
      await lookThrough(request, body, response.clone() as Response);
    }
    return response;
  };

  const release = () => {
    globalThis.fetch = original;
  };
  return { secrets, answers, plant, release };
}

/** The first form in which the secret is in this text, or undefined. */
export function findIn(haystack: string, secret: string | Buffer): string | undefined {
  for (const [form, needle] of formsOf(secret)) if (haystack.includes(needle)) return form;
  return undefined;
}

/** A dump in which bytes are written as `\x6869` gets, beside that, what these bytes say. */
export function withBytesReadable(dump: string): string {
  const said = [...dump.matchAll(/\\x([0-9a-f]{8,})/g)].map(([, hex = '']) => Buffer.from(hex, 'hex'));
  return `${dump}\n${said.map((bytes) => bytes.toString('latin1')).join('\n')}`;
}

function formsOf(secret: string | Buffer): [form: string, needle: string][] {
  const bytes = Buffer.from(secret);
  const forms: [string, string][] = [
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
  ];
  if (typeof secret === 'string') {
    forms.push(['clear', secret], ['in a URL', encodeURIComponent(secret)]);
    forms.push(['in a form', new URLSearchParams([['', secret]]).toString().slice(1)]);
    forms.push(['in JSON', JSON.stringify(secret).slice(1, -1)]);
  } else {
    forms.push(['raw', bytes.toString('latin1')]);
  }
  for (const offset of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    // Without the characters at both ends that neighbours have a part in.
    const [from, to] = [Math.ceil((offset * 8) / 6), Math.floor((shifted.length * 8) / 6)];
    forms.push(['base64', shifted.toString('base64').slice(from, to)]);
    forms.push(['base64url', shifted.toString('base64url').slice(from, to)]);
  }
  return forms;
}
