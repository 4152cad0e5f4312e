// The settings of passwords: their place in Config, like those of schema.ts, which takes them in.
import { availableParallelism } from 'node:os';
import * as kind from './kinds.ts';
import { following, optional, setting } from './setting.ts';

const count = (maximum: number) => kind.wholeNumber(1, maximum);

export const passwordSettings = {
  minimumLength: setting(
    'PASSWORD_MINIMUM_LENGTH',
    kind.wholeNumber(8, 128),
    15,
    'Fewest characters of a password that stands alone.',
  ),
  // NIST SP 800-63B §3.1.1.2: at least eight where it is only used together with something else.
  minimumLengthWithFactor: setting(
    'PASSWORD_MINIMUM_LENGTH_WITH_FACTOR',
    kind.wholeNumber(8, 128),
    8,
    'Fewest characters of a password of whoever has a second factor, or must have one; never more than the other minimum.',
  ),
  // NIST SP 800-63B §3.1.1.2: at least 64 characters must be accepted.
  maximumLength: setting(
    'PASSWORD_MAXIMUM_LENGTH',
    kind.wholeNumber(64, 4096),
    256,
    'Most characters of a password.',
  ),
  argon2: {
    memoryKiB: setting(
      'ARGON2_MEMORY_KIB',
      kind.wholeNumber(8, 4 * 1024 * 1024),
      19_456,
      'Argon2id memory, in KiB.',
    ),
    iterations: setting('ARGON2_ITERATIONS', count(100), 2, 'Argon2id passes over the memory.'),
    parallelism: setting('ARGON2_PARALLELISM', count(16), 1, 'Argon2id lanes.'),
  },
  hashConcurrency: following(
    'PASSWORD_HASH_CONCURRENCY',
    count(64),
    // Two of them on two cores leave too little of either for everything else.
    { says: '1 on one or two cores, otherwise 2', value: () => (availableParallelism() > 2 ? 2 : 1) },
    'Passwords hashed at the same time, by each process.',
  ),
  hashQueue: setting(
    'PASSWORD_HASH_QUEUE',
    kind.wholeNumber(0, 10_000),
    64,
    'Sign-ins that may wait for hashing; beyond it the answer is 503 at once.',
  ),
  hashQueueSeconds: setting('PASSWORD_HASH_QUEUE_SECONDS', count(60), 3, 'Longest wait in that queue.'),
  history: setting(
    'PASSWORD_HISTORY',
    kind.wholeNumber(0, 24),
    5,
    'Former passwords of a person that may not be chosen again, beside the present one; each costs one hash at a change.',
  ),
  contextWords: setting(
    'PASSWORD_CONTEXT_WORDS',
    kind.words,
    [],
    'Your own words that no password may be made of: names of your company, its products, its places.',
  ),
  breachRangeUrl: optional(
    'PASSWORD_BREACH_RANGE_URL',
    kind.httpUrl,
    'Range service that is asked about passwords by the first five characters of their SHA-1, such as https://api.pwnedpasswords.com/range.',
  ),
  breachRangeTimeoutSeconds: setting(
    'PASSWORD_BREACH_RANGE_TIMEOUT_SECONDS',
    count(30),
    2,
    'Time for that service to answer; a service that does not answer blocks nobody.',
  ),
  breachFile: optional(
    'PASSWORD_BREACH_FILE',
    kind.path,
    'List of breached passwords on this machine: lines of SHA-1:count in the order of the hashes, of any size; or up to 16 MiB of plain passwords.',
  ),
  checkAtSignIn: setting(
    'PASSWORD_CHECK_AT_SIGN_IN',
    kind.choice('off', 'breached', 'rules'),
    'off',
    'What a password is held against when it is presented correctly, so that its owner has to choose another: lists of breaches, or all that holds for a new one.',
  ),
};
