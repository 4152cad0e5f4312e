// What strangers send: hostile values, every endpoint with its parameters, and what every answer must be like.

/** Each as the text that goes into a parameter, not yet encoded. */
export const hostileValues: Readonly<Record<string, string>> = {
  empty: '',
  'a null byte': 'a\0b',
  SQL: `'; drop table accounts; --`,
  HTML: `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
  'a template': '<%= process.env %>{{7*7}}#{7*7}',
  'ten thousand characters': 'x'.repeat(10_000),
  'line breaks': 'a\r\nSet-Cookie: stolen=1\r\n\r\nb',
  'direction marks': '\u202egnp.exe\u2066\ufeff',
  'a name of Object.prototype': '__proto__',
  constructor: 'constructor',
  'a path upwards': '../../../../etc/passwd',
  'an encoded path': '%2e%2e%2f%00',
  JSON: '{"__proto__":{"admin":true},"a":[1]}',
  'a huge number': '1e309',
  'a negative number': '-1',
  'not a number': 'NaN',
  'an address with a user': 'https://app.example.com@evil.example/',
  'a script address': 'javascript:alert(1)',
  'three dots': 'e30.e30.e30',
  'an unsigned token': `${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.`.replaceAll('=', ''),
  'a token of another key': `${btoa('{"alg":"ES256","kid":"../x"}')}.${btoa('{"iss":[],"aud":{},"exp":"x"}')}.AAAA`,
  urn: 'urn:ietf:params:oauth:request_uri:x\0',
  emoji: '👩‍👩‍👧‍👦'.repeat(50),
};

/** Encoded already, because no well-formed text gives them. */
export const brokenEncodings: Readonly<Record<string, string>> = {
  'half an escape': '%',
  'no hexadecimal': '%zz',
  'bytes that are not UTF-8': '%ff%fe',
  'half of a surrogate pair': '%ed%a0%80',
  'an overlong slash': '%c0%af',
};

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** The parameters worth varying; all of them without it. */
  readonly varied?: readonly string[];
}

const grant = (type: string, params: Record<string, string>): Endpoint => ({
  method: 'POST',
  path: '/token',
  params: { grant_type: type, scope: 'openid', resource: 'https://api.example.com', ...params },
});

/** Every protocol endpoint with parameters that are right for `clientId` as far as they can be. */
export function protocolEndpoints(client: { id: string; secret: string; redirectUri: string }): Endpoint[] {
  const proof = { client_id: client.id, client_secret: client.secret };
  const authorization = {
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid email',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  const optional = {
    state: 's',
    nonce: 'n',
    prompt: 'login',
    max_age: '10',
    ui_locales: 'de',
    login_hint: 'ada',
    id_token_hint: 'e30.e30.e30',
    acr_values: '1',
    claims: '{}',
    resource: 'https://api.example.com',
    response_mode: 'query',
    display: 'page',
    dpop_jkt: 'x',
    request: 'e30.e30.e30',
    request_uri: 'urn:ietf:params:oauth:request_uri:x',
    registration: '{}',
    authorization_details: '[]',
  };
  const one = (name: keyof typeof optional) => ({ ...authorization, [name]: optional[name] });
  return [
    { method: 'GET', path: '/authorize', params: authorization },
    ...Object.keys(optional).map(
      (name): Endpoint => ({
        method: 'GET',
        path: '/authorize',
        params: one(name as keyof typeof optional),
        varied: [name],
      }),
    ),
    { method: 'POST', path: '/authorize', params: authorization },
    { method: 'POST', path: '/par', params: { ...authorization, ...proof } },
    grant('authorization_code', {
      ...proof,
      code: 'x',
      redirect_uri: client.redirectUri,
      code_verifier: 'v',
    }),
    grant('refresh_token', { ...proof, refresh_token: 'x' }),
    grant('client_credentials', proof),
    grant('urn:ietf:params:oauth:grant-type:device_code', { ...proof, device_code: 'x' }),
    grant('client_credentials', {
      client_id: client.id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'e30.e30.e30',
    }),
    {
      method: 'POST',
      path: '/introspect',
      params: { ...proof, token: 'x', token_type_hint: 'access_token' },
    },
    { method: 'POST', path: '/revoke', params: { ...proof, token: 'x', token_type_hint: 'refresh_token' } },
    { method: 'POST', path: '/userinfo', params: { access_token: 'x' } },
    { method: 'GET', path: '/userinfo', params: { access_token: 'x' } },
    { method: 'POST', path: '/device/authorize', params: { ...proof, scope: 'openid' } },
    { method: 'GET', path: '/device', params: { user_code: 'x' } },
    { method: 'POST', path: '/device', params: { user_code: 'x', xsrf: 'x', confirm: 'yes', abort: 'yes' } },
    {
      method: 'GET',
      path: '/end-session',
      params: {
        client_id: client.id,
        post_logout_redirect_uri: 'https://app.example.com/bye',
        state: 's',
        ui_locales: 'de',
        logout_hint: 'x',
      },
    },
    { method: 'GET', path: '/end-session', params: { id_token_hint: 'e30.e30.e30' } },
    { method: 'POST', path: '/end-session', params: { client_id: client.id, id_token_hint: 'x' } },
    { method: 'POST', path: '/end-session/confirm', params: { xsrf: 'x', logout: 'yes' } },
    { method: 'GET', path: '/end-session/success', params: { client_id: client.id } },
    { method: 'GET', path: '/jwks', params: { kid: 'x' } },
    { method: 'GET', path: '/.well-known/openid-configuration', params: { x: 'x' } },
  ];
}

/** Addresses that people open; forms among them come without a valid token, as a stranger would send them. */
export const pageEndpoints: readonly Endpoint[] = [
  { method: 'GET', path: '/', params: { ui_locales: 'de' } },
  { method: 'GET', path: '/interaction/x', params: { ui_locales: 'de' } },
  { method: 'GET', path: '/interaction/x/login', params: { ui_locales: 'de' } },
  { method: 'POST', path: '/interaction/x/login', params: { _csrf: 'x', identifier: 'a', password: 'b' } },
  { method: 'POST', path: '/interaction/x/cancel', params: { _csrf: 'x' } },
  { method: 'POST', path: '/interaction/x/consent', params: { _csrf: 'x' } },
  { method: 'POST', path: '/interaction/x/switch-account', params: { _csrf: 'x' } },
  { method: 'POST', path: '/interaction/x/select-account', params: { _csrf: 'x', choice: 'continue' } },
  { method: 'POST', path: '/interaction/x/organization', params: { _csrf: 'x', choice: 'none' } },
  { method: 'GET', path: '/setup', params: { token: 'x' } },
  { method: 'POST', path: '/setup', params: { _csrf: 'x', setup_link: 'x', email: 'a@b.c', password: 'p' } },
  { method: 'GET', path: '/healthz', params: { x: 'x' } },
];

/** Paths with a variable part, each with a hostile one. */
export const variablePaths = (part: string): string[] => [
  `/${part}`,
  `/authorize/${part}`,
  `/device/${part}`,
  `/interaction/${part}`,
  `/interaction/${part}/login`,
  `/interaction/x/${part}`,
  `/assets/${part}`,
  `/.well-known/${part}`,
  `/api/v1/${part}`,
  `/api/v1/accounts/${part}`,
  `/end-session/${part}`,
];

const STACK =
  /\bat (?:file:|async |new |\S+ \()|node_modules|\.ts:\d+|oidc-provider|PostgreSQL|syntax error|knex/;

/** What is wrong with an answer to a stranger: a failure of ours, our insides, no id. Undefined when all is well. */
export async function wrongWith(response: Response, what: string): Promise<string | undefined> {
  const text = await response.text();
  const { headers, status } = response;
  const faults = [
    status >= 500 && 'a failure of ours',
    !/^[\w.:+=/-]+$/.test(headers.get('x-request-id') ?? '') && 'no request id',
    headers.get('x-content-type-options') !== 'nosniff' && 'no nosniff',
    (headers.get('set-cookie') ?? '').includes('stolen') && 'a header of the stranger',
    STACK.test(text) && 'our insides',
    /<script>alert|<img src=x/.test(text) && 'markup of the stranger',
    !isKnownKind(status, headers, text) && `a body of the kind ${headers.get('content-type')}`,
  ].filter((fault) => fault !== false);
  return faults.length === 0 ? undefined : `${what}: ${status}, ${faults.join(', ')}: ${text.slice(0, 300)}`;
}

/** A page, problem+json or OAuth JSON; nothing at all only with success and redirects. */
function isKnownKind(status: number, headers: Headers, text: string): boolean {
  if (text === '') return status < 400;
  if (status >= 300 && status < 400) return true;
  const type = headers.get('content-type') ?? '';
  return /^(text\/html; charset=utf-8|application\/(json|problem\+json|jwk-set\+json)\b)/.test(type);
}

export function encoded(params: Readonly<Record<string, string>>, raw?: Record<string, string>): string {
  const pairs = Object.entries(params).map(
    ([name, value]) => `${encodeURIComponent(name)}=${raw?.[name] ?? encodeURIComponent(value)}`,
  );
  return pairs.join('&');
}

export function send(issuer: string, endpoint: Endpoint, body: string): Promise<Response> {
  const headers = { accept: 'text/html', ...endpoint.headers };
  if (endpoint.method === 'GET') {
    return fetch(`${issuer}${endpoint.path}?${body}`, { headers, redirect: 'manual' });
  }
  return fetch(`${issuer}${endpoint.path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    redirect: 'manual',
  });
}
