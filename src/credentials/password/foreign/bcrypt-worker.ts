// The thread in which bcrypt is computed: it is plain JavaScript, and would hold up every other request for its time.
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface BcryptQuestion {
  id: number;
  hash: string;
  password: string;
}

export interface BcryptAnswer {
  id: number;
  matches: boolean;
}

parentPort?.on('message', ({ id, hash, password }: BcryptQuestion) => {
  parentPort?.postMessage({ id, matches: compareSync(password, hash) } satisfies BcryptAnswer);
});
