// Each form of REDIS_URL is read as it is written, and a mistake is said without the password.
import { describe, expect, it } from 'vitest';
import { describeRedis, parseRedisUrl, type RedisTarget } from '../../../src/platform/redis/url.ts';

const plain: RedisTarget = {
  kind: 'single',
  addresses: [{ host: 'cache', port: 6379 }],
  masterName: undefined,
  tls: false,
  username: undefined,
  password: undefined,
  sentinelUsername: undefined,
  sentinelPassword: undefined,
  database: 0,
};

describe('forms', () => {
  it.each<[string, Partial<RedisTarget>]>([
    ['redis://cache', {}],
    ['redis://cache/', {}],
    ['rediss://cache:6380/3', { tls: true, addresses: [{ host: 'cache', port: 6380 }], database: 3 }],
    ['redis://:p%40ss@cache', { password: 'p@ss' }],
    ['redis://word@cache', { password: 'word' }],
    ['redis://app:a:b@cache', { username: 'app', password: 'a:b' }],
    ['redis://[::1]:7000', { addresses: [{ host: '::1', port: 7000 }] }],
    [
      'redis+sentinel://app:secret@h1,h2:26380/mymaster?db=2&sentinelPassword=guard',
      {
        kind: 'sentinel',
        addresses: [
          { host: 'h1', port: 26_379 },
          { host: 'h2', port: 26_380 },
        ],
        masterName: 'mymaster',
        username: 'app',
        password: 'secret',
        sentinelPassword: 'guard',
        database: 2,
      },
    ],
    [
      'rediss+cluster://h1,h2:7001',
      {
        kind: 'cluster',
        tls: true,
        addresses: [
          { host: 'h1', port: 6379 },
          { host: 'h2', port: 7001 },
        ],
      },
    ],
  ])('reads %s', (text, expected) => {
    expect(parseRedisUrl(text)).toEqual({ value: { ...plain, ...expected } });
  });
});

describe('mistakes', () => {
  it.each([
    ['http://cache', 'must be a URL such as redis://'],
    ['redis://', 'must name a host'],
    ['redis://a b', 'must name a host'],
    ['redis://cache:99999', 'port'],
    ['redis://cache/first', 'by its number'],
    ['redis://:s3cret@h1,h2', 'several hosts: start it with redis+sentinel://'],
    ['redis+sentinel://h1', 'name of the master'],
    ['redis+cluster://h1/2', 'a cluster has no databases'],
    ['redis://:s3cret@cache?db=1', 'not known here: db'],
    ['redis://:s3cret%@cache', 'write it as %25'],
  ])('says what is wrong with %s', (text, expected) => {
    const parsed = parseRedisUrl(text);
    const mistake = 'mistake' in parsed ? parsed.mistake : '';
    expect(mistake).toContain(expected);
    expect(mistake).not.toContain('s3cret');
  });
});

describe('what the log may say', () => {
  it.each([
    ['redis://app:s3cret@cache/2', 'cache:6379'],
    ['redis+sentinel://:s3cret@h1,[::1]/mymaster', 'sentinel h1:26379, [::1]:26379 (mymaster)'],
  ])('names only the place of %s', (text, expected) => {
    const parsed = parseRedisUrl(text);
    expect('value' in parsed && describeRedis(parsed.value)).toBe(expected);
  });
});
