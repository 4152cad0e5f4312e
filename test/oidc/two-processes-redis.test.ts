// Two processes on PostgreSQL and Redis are one server, and let what can be used once be used once.
import { describe } from 'vitest';
import { useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';
import { twoProcesses } from './two-processes.contract.ts';

describe.skipIf(needs('redis-server'))('with Redis', () => {
  const { url } = useRedis();
  twoProcesses({ REDIS_URL: url });
});
