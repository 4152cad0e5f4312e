// Which addresses a client may register: redirect URIs, web addresses and origins. Pure rules, each with the reason it refuses.

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);
const MAX_LENGTH = 2000;

export type RedirectKind = 'web' | 'spa' | 'native';

export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK_HOSTS.has(hostname);
}

/** Why this may not be a redirect URI of such a client, or undefined when it may (RFC 9700 §2.1, RFC 8252 §7 and §8.4). */
export function redirectUriProblem(uri: string, kind: RedirectKind): string | undefined {
  const parsed = parsePlain(uri);
  if (typeof parsed === 'string') return parsed;
  if (parsed.protocol === 'https:' || parsed.protocol === 'http:')
    return webRedirectProblem(uri, parsed, kind);
  if (kind !== 'native') return 'must use https, or http on a loopback address';
  return privateSchemeProblem(uri, parsed);
}

function webRedirectProblem(uri: string, parsed: URL, kind: RedirectKind): string | undefined {
  const loopback = isLoopbackHost(parsed.hostname);
  if (parsed.protocol === 'http:' && !loopback) return 'must use https; http is only for loopback addresses';
  // A claimed https address belongs to a domain; nobody owns https://localhost on another person's machine.
  if (kind === 'native' && parsed.protocol === 'https:' && loopback) {
    return 'must use http for a loopback address of a native app';
  }
  return normalFormProblem(uri, parsed);
}

/** RFC 8252 §7.1: a private-use scheme is a reversed domain name, so it has a dot; `myapp:` could be anybody's. */
function privateSchemeProblem(uri: string, parsed: URL): string | undefined {
  const scheme = parsed.protocol.slice(0, -1);
  if (!scheme.includes('.'))
    return 'must use https, http on a loopback address, or a scheme with a dot like com.example.app';
  if (!uri.startsWith(`${scheme}:/`))
    return `must be written in lower case and go on with a slash: ${scheme}:/callback`;
  if (parsed.username !== '' || parsed.password !== '') return 'must not hold a user name or password';
  return undefined;
}

/** Why this is not an https (or loopback http) address for a page, a key set or a back channel; undefined when it is. */
export function webAddressProblem(uri: string): string | undefined {
  const parsed = parsePlain(uri);
  if (typeof parsed === 'string') return parsed;
  if (!isHttpsOrLoopback(parsed)) return 'must use https, or http on a loopback address';
  return normalFormProblem(uri, parsed);
}

/** Why this is not an origin (scheme, host, port and nothing else); undefined when it is. */
export function originProblem(origin: string): string | undefined {
  const parsed = parsePlain(origin);
  if (typeof parsed === 'string') return parsed;
  if (!isHttpsOrLoopback(parsed)) return 'must use https, or http on a loopback address';
  if (parsed.origin !== origin) return 'must be an origin like https://app.example, without a path';
  return undefined;
}

/** Why this is not an audience: an absolute URI without a fragment (RFC 8707 §2), of a scheme that names things. */
export function audienceProblem(audience: string): string | undefined {
  const parsed = parsePlain(audience);
  if (typeof parsed === 'string') return parsed;
  if (parsed.protocol === 'urn:') {
    return /^urn:[a-z0-9][a-z0-9-]{0,31}:.+$/i.test(audience)
      ? undefined
      : 'must be a URN like urn:example:api';
  }
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') return 'must be an https, http or urn URI';
  return normalFormProblem(audience, parsed);
}

function isHttpsOrLoopback(parsed: URL): boolean {
  return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopbackHost(parsed.hostname));
}

/** The parsed address, or what is wrong with it whatever it is for. */
function parsePlain(uri: string): URL | string {
  if (uri.length > MAX_LENGTH) return `must not be longer than ${MAX_LENGTH} characters`;
  // Browsers drop tabs and line ends and read a backslash as a slash: what is compared would not be where they go.
  if (!/^[\x21-\x7e]+$/.test(uri)) return 'must only hold printable ASCII characters without spaces';
  if (uri.includes('\\')) return 'must not hold a backslash';
  if (uri.includes('#')) return 'must not have a fragment';
  if (uri.includes('*')) return 'must not hold a wildcard';
  return URL.parse(uri) ?? 'must be an absolute URI';
}

/**
 * `https:evil.example`, `https:///evil`, `https://a/../b`, `http://0x7f.1` and `https://APP.example` all parse, and mean
 * something else than they show. Only the form that the parser writes is taken, so that exact comparison is exact.
 */
function normalFormProblem(uri: string, parsed: URL): string | undefined {
  if (parsed.username !== '' || parsed.password !== '' || uri.split(/[/?]/)[2]?.includes('@')) {
    return 'must not hold a user name or password';
  }
  if (parsed.hostname === '' || parsed.hostname.endsWith('.')) return 'must name a host';
  const normal = parsed.href;
  if (uri === normal || (parsed.pathname === '/' && `${uri}/` === normal)) return undefined;
  return `must be written as ${normal}`;
}
