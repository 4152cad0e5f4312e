// Makes a key for private_key_jwt: the private half goes to a new file that only you can read, the public half is printed.
import { writeFile } from 'node:fs/promises';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { setting } from '../support/settings.ts';

const file = setting('KEY_FILE', 'demo-key.json');
const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
const publicJwk = await exportJWK(publicKey);
const named = { kid: await calculateJwkThumbprint(publicJwk), alg: 'ES256', use: 'sig' };
// An existing file is never replaced: it may be the only copy of a key in use.
await writeFile(file, JSON.stringify({ ...(await exportJWK(privateKey)), ...named }), {
  mode: 0o600,
  flag: 'wx',
});
console.log(JSON.stringify({ keys: [{ ...publicJwk, ...named }] }));
