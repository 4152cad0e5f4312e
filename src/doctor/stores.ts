// Examinations of what the server stands on: PostgreSQL, Redis, disk, keys, scheduled work, and mail later.
import { isProblem } from '../platform/inspect/problem.ts';
import { type Examination, failed, type Judgement, notMeasured, ok, warning } from './examination.ts';
import type { DatabaseFacts, Facts, StoredFacts } from './facts.ts';

const DAY = 86_400_000;
const OLDEST_POSTGRES = 150_000;
const OLDEST_REDIS = 6;
const GIB = 1024 ** 3;

const inDatabase = (judge: (database: DatabaseFacts, facts: Facts) => Judgement) => (facts: Facts) =>
  isProblem(facts.database) ? notMeasured('The database does not answer.') : judge(facts.database, facts);

const inStored = (judge: (stored: StoredFacts, facts: Facts) => Judgement) => (facts: Facts) =>
  isProblem(facts.stored)
    ? notMeasured(`It could not be read: ${facts.stored.problem}.`)
    : judge(facts.stored, facts);

export const storeExaminations: readonly Examination[] = [
  {
    id: 'database',
    title: 'The database answers',
    judge({ database }) {
      if (!isProblem(database)) return ok(`PostgreSQL ${database.version}.`);
      return failed(
        `It does not: ${database.problem}.`,
        'Check DATABASE_URL, the server behind it and the network.',
      );
    },
  },
  {
    id: 'database-version',
    title: 'The database is recent enough',
    judge: inDatabase(({ version, versionNumber, encoding }) => {
      if (versionNumber < OLDEST_POSTGRES) {
        return failed(`PostgreSQL ${version} is older than 15.`, 'Upgrade it.');
      }
      if (encoding !== 'UTF8') {
        return failed(
          `The database is encoded in ${encoding}.`,
          'Make a new one with UTF8 and move the data there.',
        );
      }
      return ok(`PostgreSQL ${version}, ${encoding}.`);
    }),
  },
  {
    id: 'database-privileges',
    title: 'The database user may do what it must, and no more',
    judge: inDatabase(({ isSuperuser, canCreate }, { config }) => {
      if (!canCreate) {
        return failed(
          'It may not create tables.',
          'grant create on schema public to the user of DATABASE_URL.',
        );
      }
      if (!isSuperuser || config.database.url === undefined) return ok('It may create tables.');
      return warning(
        'It is a superuser.',
        'Give Gatehouse a user of its own that owns its database and nothing else.',
      );
    }),
  },
  {
    id: 'database-durability',
    title: 'What is committed is on disk',
    judge: inDatabase(({ fsync, synchronousCommit }) => {
      if (!fsync) return failed('fsync is off: a crash may lose or damage the database.', 'Set fsync = on.');
      if (synchronousCommit !== 'off') return ok(`fsync is on, synchronous_commit is ${synchronousCommit}.`);
      return failed(
        'synchronous_commit is off: a crash may bring back a used code or an ended session.',
        'Set synchronous_commit = on.',
      );
    }),
  },
  {
    id: 'database-encrypted',
    title: 'The way to the database is encrypted',
    judge: inDatabase(({ encrypted }, { config }) => {
      const { url } = config.database;
      if (encrypted === true) return ok('The connection uses TLS.');
      if (url === undefined || encrypted === null || isLocal(url))
        return ok('The database is on this machine.');
      return warning(
        'It is not.',
        'Add ?sslmode=verify-full to DATABASE_URL, unless the network is yours alone.',
      );
    }),
  },
  {
    id: 'database-pool',
    title: 'There are connections enough',
    judge: inDatabase(({ maximumConnections, usedConnections }, { config }) => {
      const wanted = config.database.poolMax;
      const said = `${usedConnections} of ${maximumConnections} connections are in use; one process takes up to ${wanted}.`;
      if (wanted + usedConnections <= maximumConnections) return ok(said);
      return warning(
        said,
        'Lower DATABASE_POOL_MAX, or raise max_connections of PostgreSQL for all processes together.',
      );
    }),
  },
  {
    id: 'migrations',
    title: 'The schema is that of this release',
    judge: inStored(({ pendingMigrations }) => {
      if (pendingMigrations.length === 0) return ok('Every migration is applied.');
      return warning(
        `${pendingMigrations.length} are to come: ${pendingMigrations[0]} and later.`,
        'Run `gatehouse migrate`, or start a server of this release.',
      );
    }),
  },
  {
    id: 'redis',
    title: 'Redis is there and keeps what it is given',
    judge({ redis }) {
      if (redis === null) return ok('None is configured; PostgreSQL does its work.');
      if (isProblem(redis)) {
        return failed(`It is configured, and ${redis.problem}.`, 'Check REDIS_URL and the server behind it.');
      }
      if (Number.parseInt(redis.version, 10) < OLDEST_REDIS) {
        return failed(`Redis ${redis.version} is older than ${OLDEST_REDIS}.`, 'Upgrade it.');
      }
      if (redis.evictionPolicy === null || redis.evictionPolicy === 'noeviction')
        return ok(`Redis ${redis.version}.`);
      return warning(
        `When it is full it throws away what it holds (${redis.evictionPolicy}): sign-ins under way are lost.`,
        'Set maxmemory-policy noeviction.',
      );
    },
  },
  {
    id: 'disk',
    title: 'There is room on disk',
    judge({ disk }) {
      if (disk === null) return notMeasured('The database is elsewhere; watch its disk there.');
      if (isProblem(disk)) return notMeasured(`It could not be asked: ${disk.problem}.`);
      const share = disk.freeBytes / disk.totalBytes;
      const said = `${(disk.freeBytes / GIB).toFixed(1)} GiB are free, ${Math.round(share * 100)} %.`;
      const remedy = 'Make room, or set AUDIT_RETENTION_DAYS; a full disk stops every sign-in.';
      if (disk.freeBytes < GIB / 2) return failed(said, remedy);
      return disk.freeBytes < 2 * GIB || share < 0.05 ? warning(said, remedy) : ok(said);
    },
  },
  {
    id: 'signing-keys',
    title: 'Signing keys are fresh, and the next one is published',
    judge: inStored(({ signingKeys }, { config, now }) => {
      const current = signingKeys.filter(({ state }) => state === 'current');
      if (current.length === 0)
        return failed('No key signs.', 'Start the server, or run `gatehouse signing-keys rotate`.');
      const without = current.filter(
        ({ algorithm }) => !signingKeys.some((key) => key.algorithm === algorithm && key.state === 'next'),
      );
      if (without.length > 0) {
        return failed(
          `No next key is published for ${without.map(({ algorithm }) => algorithm).join(', ')}.`,
          'Run `gatehouse job run rotate-signing-keys` and look at the log.',
        );
      }
      const days = Math.max(
        ...current.map((key) => (now.getTime() - (key.activatedAt ?? key.createdAt).getTime()) / DAY),
      );
      const said = `The oldest that signs is ${Math.floor(days)} days in use.`;
      if (days <= config.signingKeys.rotateAfterDays + 2) return ok(said);
      return warning(said, 'The job that rotates keys does not run: look at `gatehouse job list`.');
    }),
  },
  {
    id: 'master-key',
    title: 'The master key is for the server alone',
    judge({ masterKeyExposed }) {
      if (masterKeyExposed === null) return ok('It comes from the environment or a secret file.');
      if (isProblem(masterKeyExposed)) return notMeasured(masterKeyExposed.problem);
      if (!masterKeyExposed) return ok('Its file can be read by its owner only.');
      return failed(
        'Others on this machine can read its file.',
        'chmod 600 the files in KEYS_DIRECTORY, and rotate the key.',
      );
    },
  },
  {
    id: 'jobs',
    title: 'Scheduled work is done',
    judge: inStored(({ failingJobs, lateJobs }) => {
      if (failingJobs.length > 0) {
        return failed(`Failed last time: ${failingJobs.join(', ')}.`, 'Look for "job failed" in the log.');
      }
      if (lateJobs.length === 0) return ok('Every job ran when it was due.');
      return warning(
        `Late: ${lateJobs.join(', ')}.`,
        'No server runs, or it is too busy: jobs run inside `serve`.',
      );
    }),
  },
];

function isLocal(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? '';
  return host === '' || /^(localhost|127\.|\[::1\])/.test(host);
}
