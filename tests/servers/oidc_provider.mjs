// A certified OpenID provider for tests. Started by oidc_provider.py with PORT, CLIENT_ID, CLIENT_SECRET and
// PROVIDER_MODULE (where the package's code is). What it adds to the package: a grant that logs anybody in with
// any claims, and `POST /rotate`, after which tokens are signed with a new key (the old one stays published).
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';

const { PORT, CLIENT_ID, CLIENT_SECRET, PROVIDER_MODULE } = process.env;
const { default: Provider } = await import(PROVIDER_MODULE);
const ISSUER = `http://127.0.0.1:${PORT}`;
const GRANT = 'urn:tests:login';

const keys = [];
const accounts = new Map();

function addKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' });
}

async function login(ctx) {
  const { client, params, provider } = ctx.oidc;
  const claims = JSON.parse(params.claims);
  const { sub } = claims;
  const userinfo = JSON.parse(params.userinfo || '{}');
  accounts.set(sub, userinfo);
  const grant = new provider.Grant({ accountId: sub, clientId: client.clientId });
  grant.addOIDCScope('openid profile');
  const token = new provider.AccessToken({
    accountId: sub, client, grantId: await grant.save(), gty: GRANT, scope: 'openid profile',
  });
  const idToken = new provider.IdToken({}, { ctx });
  for (const [name, value] of Object.entries(claims)) idToken.set(name, value);
  ctx.body = {
    id_token: await idToken.issue({ use: 'idtoken' }),
    access_token: await token.save(),
    token_type: 'Bearer',
  };
}

function start() {
  const provider = new Provider(ISSUER, {
    clients: [{
      client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_types: [GRANT], response_types: [], redirect_uris: [],
    }],
    jwks: { keys },
    claims: { openid: ['sub'], profile: ['name', 'groups', 'policy'] },
    features: { devInteractions: { enabled: false } },
    cookies: { keys: [randomUUID()] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ ...accounts.get(sub), sub }) }),
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.registerGrantType(GRANT, login, ['claims', 'userinfo']);
  return provider.callback();
}

addKey();
let answer = start();

createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') {
    addKey();
    answer = start();
    response.end();
    return;
  }
  answer(request, response);
}).listen(Number(PORT), '127.0.0.1');
