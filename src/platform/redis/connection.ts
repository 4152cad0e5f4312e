// The connections of ioredis, set so that nothing waits in a queue and every lost connection comes back by itself.
import { Cluster, type RedisOptions, Redis as SingleRedis } from 'ioredis';
import { describeRedis, type RedisTarget } from './url.ts';

/** Commands are the same for one server, Sentinel and Cluster. */
export type RedisClient = SingleRedis;

export interface Connection {
  readonly client: RedisClient;
  readonly place: string;
  /** A further connection that only listens. */
  newListener(): RedisClient;
}

const CONNECT_TIMEOUT_MILLISECONDS = 1_000;
// For the greeting of a connection, and for commands whose caller has long gone on without them.
const ANSWER_TIMEOUT_MILLISECONDS = 2_000;
const LONGEST_RETRY_MILLISECONDS = 1_000;

export function connect(target: RedisTarget): Connection {
  const open = target.kind === 'cluster' ? () => openCluster(target) : () => openSingle(target);
  return { client: open(), place: describeRedis(target), newListener: open };
}

const retryDelay = (times: number) =>
  Math.min(50 * 2 ** Math.min(times, 10), LONGEST_RETRY_MILLISECONDS) * (0.75 + Math.random() / 4);

function commonOptions(target: RedisTarget) {
  return {
    ...(target.username !== undefined && { username: target.username }),
    ...(target.password !== undefined && { password: target.password }),
    ...(target.tls && { tls: {} }),
    db: target.database,
    connectTimeout: CONNECT_TIMEOUT_MILLISECONDS,
    commandTimeout: ANSWER_TIMEOUT_MILLISECONDS,
    // What was not answered has perhaps been done: never twice, and never late.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    // Our own probe writes a key, which says more than INFO and needs no permission for it.
    enableReadyCheck: false,
    disableClientInfo: true,
    keepAlive: 10_000,
    retryStrategy: retryDelay,
    // After a failover behind one name we still hold the connection to the old master.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
}

function openSingle(target: RedisTarget): RedisClient {
  const [first] = target.addresses;
  if (target.kind === 'single') return new SingleRedis({ ...commonOptions(target), ...first });
  return new SingleRedis({
    ...commonOptions(target),
    sentinels: [...target.addresses],
    name: target.masterName ?? '',
    sentinelCommandTimeout: ANSWER_TIMEOUT_MILLISECONDS,
    sentinelRetryStrategy: retryDelay,
    enableTLSForSentinelMode: target.tls,
    ...(target.tls && { sentinelTLS: {} }),
    ...(target.sentinelUsername !== undefined && { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword !== undefined && { sentinelPassword: target.sentinelPassword }),
  });
}

function openCluster(target: RedisTarget): RedisClient {
  const { db: _, retryStrategy: __, enableOfflineQueue: ___, ...redisOptions } = commonOptions(target);
  const cluster = new Cluster([...target.addresses], {
    redisOptions,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    clusterRetryStrategy: retryDelay,
    clusterNodeRetryStrategy: retryDelay,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MILLISECONDS,
    slotsRefreshInterval: 5_000,
    // With TLS the certificate names the host, which a look-up would turn into an address.
    ...(target.tls && {
      dnsLookup: (host: string, done: (error: null, address: string) => void) => done(null, host),
    }),
  });
  // `as`: the same commands by the same methods; what differs is where each is sent.
  return cluster as unknown as RedisClient;
}
