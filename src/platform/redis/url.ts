// REDIS_URL: one server, Sentinel or Cluster, in one text.

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server itself, the sentinels, or some nodes of the cluster. */
  readonly addresses: readonly RedisAddress[];
  /** Sentinel's name of the group whose master is used. */
  readonly masterName: string | undefined;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly database: number;
}

export const REDIS_URL_FORMS =
  'redis://[user:password@]host[:6379][/database], redis+sentinel://host[:26379],host/master-name or redis+cluster://host[:6379],host; rediss instead of redis for TLS';

const SHAPE =
  /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const ADDRESS = /^(?:\[([0-9a-f:.]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/i;
const SENTINEL_PARAMETERS = ['db', 'sentinelUsername', 'sentinelPassword'];
const MOST_DATABASES = 16_384;

type Parsed<T> = { value: T } | { mistake: string };
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A mistake never repeats the text, which holds a password. */
export function parseRedisUrl(text: string): Parsed<RedisTarget> {
  const found = SHAPE.exec(text);
  if (found === null) return { mistake: `must be a URL such as ${REDIS_URL_FORMS}` };
  const [, scheme, variant, userInfo, hosts = '', path = '', query = ''] = found;
  const kind = variant === 'sentinel' || variant === 'cluster' ? variant : 'single';
  const addresses = addressesOf(hosts, kind === 'sentinel' ? 26_379 : 6379);
  if ('mistake' in addresses) return addresses;
  const user = userOf(userInfo);
  const place = placeOf(kind, path, new URLSearchParams(query));
  if (user === undefined)
    return { mistake: 'has a user name or password with a % that is not an escape: write it as %25' };
  if ('mistake' in place) return place;
  if (kind === 'single' && addresses.value.length > 1) {
    return { mistake: 'names several hosts: start it with redis+sentinel:// or redis+cluster://' };
  }
  return { value: { kind, addresses: addresses.value, tls: scheme === 'rediss', ...user, ...place.value } };
}

function addressesOf(hosts: string, defaultPort: number): Parsed<RedisAddress[]> {
  const addresses: RedisAddress[] = [];
  for (const part of hosts.split(',')) {
    const found = ADDRESS.exec(part.trim());
    const port = Number(found?.[3] ?? defaultPort);
    const host = found?.[1] ?? found?.[2];
    if (host === undefined)
      return { mistake: 'must name a host, and several only with a comma between them' };
    if (port < 1 || port > 65_535) return { mistake: 'has a port that is not from 1 to 65535' };
    addresses.push({ host, port });
  }
  return { value: addresses };
}

/** `:password@` and `user:password@`; a lone `word@` is a password, as redis-cli would not guess a user either. */
function userOf(userInfo: string | undefined): Pick<RedisTarget, 'username' | 'password'> | undefined {
  if (userInfo === undefined || userInfo === '') return { username: undefined, password: undefined };
  const colon = userInfo.indexOf(':');
  try {
    return {
      username: (colon > 0 ? decodeURIComponent(userInfo.slice(0, colon)) : '') || undefined,
      password: decodeURIComponent(userInfo.slice(colon + 1)) || undefined,
    };
  } catch {
    return undefined;
  }
}

type Place = Pick<RedisTarget, 'masterName' | 'database' | 'sentinelUsername' | 'sentinelPassword'>;

function placeOf(kind: RedisTarget['kind'], path: string, query: URLSearchParams): Parsed<Place> {
  const allowed = kind === 'sentinel' ? SENTINEL_PARAMETERS : [];
  const unknown = [...query.keys()].find((name) => !allowed.includes(name));
  if (unknown !== undefined)
    return { mistake: `has a parameter that is not known here: ${unknown.slice(0, 40)}` };
  const place: Mutable<Place> = {
    masterName: undefined,
    database: 0,
    sentinelUsername: query.get('sentinelUsername') ?? undefined,
    sentinelPassword: query.get('sentinelPassword') ?? undefined,
  };
  if (kind === 'cluster')
    return path === ''
      ? { value: place }
      : { mistake: 'must end after the hosts: a cluster has no databases' };
  if (kind === 'sentinel' && path === '')
    return { mistake: 'must end with the name of the master that the sentinels watch, such as /mymaster' };
  if (kind === 'sentinel') place.masterName = path;
  const database = (kind === 'sentinel' ? query.get('db') : path) || '0';
  if (!/^\d{1,5}$/.test(database) || Number(database) >= MOST_DATABASES)
    return { mistake: 'must name the database by its number, such as /0' };
  place.database = Number(database);
  return { value: place };
}

/** What a log may say of the place: hosts and ports. */
export function describeRedis({ kind, addresses, masterName }: RedisTarget): string {
  const hosts = addresses
    .map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
    .join(', ');
  return kind === 'single' ? hosts : `${kind} ${hosts}${masterName === undefined ? '' : ` (${masterName})`}`;
}
