// What a proxy asks at /forward-auth: what it wants to know stands in the address that its operator wrote, and about whom in
// the headers of the request that it holds back.
import type { AddressRanges } from '../lib/ip.ts';
import { normalizeAddress } from '../lib/ip.ts';
import { parsePermission } from '../lib/permission.ts';
import type { PlainRequest } from '../platform/api/plain.ts';
import { failure } from '../platform/errors.ts';

const proxies = ['nginx', 'traefik', 'caddy', 'envoy'] as const;
export type ProxyKind = (typeof proxies)[number];

export interface ProxyQuestion {
  readonly proxy: ProxyKind;
  readonly permissions: readonly string[];
  readonly api: string | undefined;
  readonly constraints: Readonly<Record<string, string>>;
  readonly amounts: Readonly<Record<string, string>>;
  /** Undefined when the request brings none, `ambiguous` when it brings two. */
  readonly credential: { readonly text: string } | 'ambiguous' | undefined;
  readonly uri: string;
  readonly method: string;
  readonly address: string | null;
}

const ROOT = '/forward-auth';

/**
 * Throws request_invalid for options that are misspelt, empty or given twice: such a one must not pass as absent. Options are
 * read from the address alone, as every proxy hands on the headers of strangers.
 */
export function readProxyRequest(request: PlainRequest, trusted: AddressRanges): ProxyQuestion {
  const { options, rest } = addressOf(request);
  const proxy = options.proxy ?? (rest === undefined ? 'traefik' : 'envoy');
  return {
    proxy,
    ...options.wanted,
    ...originalOf(request, proxy, rest),
    credential: credentialOf(request),
    address: clientAddress(request.forwardedFor(), trusted),
  };
}

/**
 * `/forward-auth?options`, or `/forward-auth/options/the/original/path?query` for proxies that can only put a prefix in front
 * of the address that they hold back (Envoy): then what follows the question mark is a stranger's.
 */
function addressOf({ path, query }: PlainRequest) {
  const [options, ...rest] = path.slice(ROOT.length + 1).split('/');
  if (options === undefined || options === '') return { options: optionsOf(query), rest: undefined };
  return { options: optionsOf(options), rest: `/${rest.join('/')}${query === '' ? '' : `?${query}`}` };
}

function optionsOf(text: string) {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (found.has(name)) throw wrong(name, 'Given more than once.');
    if (value === '') throw wrong(name, 'Must not be empty.');
    found.set(name, value);
  }
  const constraints: Record<string, string> = {};
  const amounts: Record<string, string> = {};
  let permissions: readonly string[] = [];
  let api: string | undefined;
  let proxy: ProxyKind | undefined;
  for (const [name, value] of found) {
    if (name === 'permission') permissions = permissionsOf(value);
    else if (name === 'api') api = value;
    else if (name === 'proxy') proxy = proxyOf(value);
    else if (name.startsWith('constraint.')) constraints[name.slice('constraint.'.length)] = value;
    else if (name.startsWith('meter.')) amounts[name.slice('meter.'.length)] = value;
    else throw wrong(name, 'Not expected here: permission, api, proxy, constraint.NAME and meter.NAME are.');
  }
  return { proxy, wanted: { permissions, api, constraints, amounts } };
}

function permissionsOf(value: string): readonly string[] {
  const list = value.split(' ').filter((text) => text !== '');
  const bad = list.find((text) => parsePermission(text) === undefined);
  if (bad !== undefined || list.length === 0) {
    throw wrong(
      'permission',
      'Has the form resource:action or resource:action:selector; spaces separate several.',
    );
  }
  return list;
}

function proxyOf(value: string): ProxyKind {
  const known = proxies.find((name) => name === value);
  if (known === undefined) throw wrong('proxy', `One of: ${proxies.join(', ')}.`);
  return known;
}

function wrong(name: string, why: string) {
  return failure('request_invalid', { fields: { [name]: why } });
}

/** Each kind of proxy sets headers of its own; those of the other kinds may come from anybody. */
function originalOf({ headers, method }: PlainRequest, proxy: ProxyKind, rest: string | undefined) {
  if (proxy === 'envoy') return { uri: rest ?? '/', method };
  const prefix = proxy === 'nginx' ? 'x-original' : 'x-forwarded';
  return {
    uri: textOf(headers[`${prefix}-uri`]) ?? '/',
    method: textOf(headers[`${prefix}-method`]) ?? method,
  };
}

/** With two it would be a guess which of them counts (RFC 6750 §2). */
function credentialOf({ headers }: PlainRequest): ProxyQuestion['credential'] {
  const key = textOf(headers['x-api-key']);
  const bearer = /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (key !== undefined && bearer !== undefined) return 'ambiguous';
  const text = key ?? bearer;
  return text === undefined ? undefined : { text };
}

/**
 * From the right: each proxy appends the address it saw, so the first that is no proxy of ours is the client. Without the
 * header nobody knows it: the proxy's own address must not open what is limited to addresses.
 */
function clientAddress(forwardedFor: string | null, trusted: AddressRanges): string | null {
  if (forwardedFor === null) return null;
  let last: string | null = null;
  for (const entry of forwardedFor.split(',').reverse()) {
    const address = normalizeAddress(entry.trim());
    if (address === undefined) return null;
    last = address;
    if (!trusted.includes(address)) return address;
  }
  return last;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
