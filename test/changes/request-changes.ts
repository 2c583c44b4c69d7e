import { breaking, type Change, drop, granted, harmless, put, spent, text } from './change.ts'

const device = '/paths/~1v1~1auth~1device/post'
const profile = '/paths/~1v1~1players~1{playerId}/get'
const own = '/paths/~1v1~1players~1me/get'
const transaction = '/paths/~1v1~1players~1{playerId}~1wallet~1transactions/post'
const schemas = '/components/schemas'
const json = 'application~1json'
const changes = `${schemas}/ProfileChanges/properties`
const bought = `${schemas}/WalletTransaction/properties`
const limit = { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 100 } }
const withLimit = [put(`${own}/parameters`, [limit])]
const key = '/components/parameters/IdempotencyKey'
const choice = `${changes}/choice`
const withChoice = (schema: unknown) => [put(choice, schema)]

export const requestChanges: readonly Change[] = [
  breaking('a call needs no new parameter', put(`${own}/parameters`, [{ ...limit, required: true }]), [
    [`${own}/parameters/0`, 'the parameter query limit is now required'],
  ]),
  breaking('a call needs no new header', put(`${own}/parameters`, [{ ...limit, in: 'header', required: true }]), [
    [`${own}/parameters/0`, 'the parameter header limit is now required'],
  ]),
  breaking(
    'a parameter that could be absent may still be',
    put(`${own}/parameters/0/required`, true),
    [[`${own}/parameters/0`, 'the parameter query limit is now required']],
    withLimit,
  ),
  breaking(
    'a parameter is still taken',
    drop(`${own}/parameters/0`),
    [[`${own}/parameters/0`, 'the parameter query limit is no longer taken']],
    withLimit,
  ),
  breaking(
    'a parameter that several operations share is held, and named once',
    put(`${key}/schema/maxLength`, 64),
    [[`${key}/schema`, 'the greatest length went from 255 to 64']],
    [put(`${own}/parameters`, [{ $ref: `#${key}` }])],
  ),
  breaking(
    'a parameter takes the values that it took',
    put(`${own}/parameters/0/schema/maximum`, 50),
    [[`${own}/parameters/0/schema`, 'the greatest value went from 100 to 50']],
    withLimit,
  ),
  breaking('an id in a path keeps its pattern', put(`${profile}/parameters/0/schema/pattern`, '^ply_'), [
    [`${profile}/parameters/0/schema`, 'the pattern went from'],
  ]),
  breaking('a member of a body is still taken', drop(`${changes}/country`), [
    [`${changes}/country`, 'the member `country` is no longer taken'],
  ]),
  breaking(
    'a member is still taken by a body that takes others',
    drop(`${changes}/country`),
    [[`${changes}/country`, 'the member `country` is no longer taken']],
    [drop(`${schemas}/ProfileChanges/additionalProperties`)],
  ),
  breaking(
    'a body needs no new member',
    [put(`${bought}/source`, text), put(`${schemas}/WalletTransaction/required`, ['changes', 'reason', 'source'])],
    [[`${bought}/source`, 'the member `source` is now required']],
  ),
  breaking(
    'a member that could be absent may still be',
    put(`${schemas}/DeviceCredential/required`, ['deviceId', 'create']),
    [[`${schemas}/DeviceCredential/properties/create`, 'the member `create` is now required']],
  ),
  breaking('a member takes the type that it took', put(`${bought}/reason/type`, 'integer'), [
    [`${bought}/reason`, 'a value of type string is no longer taken'],
  ]),
  breaking('a member that took null takes it still', put(`${changes}/country`, { ...text, pattern: '^[A-Z]{2}$' }), [
    [`${changes}/country/anyOf/1`, 'a value of type null is no longer taken'],
  ]),
  breaking(
    'a set of values that are taken loses none',
    put(`${choice}/enum`, ['a']),
    [[choice, 'the value "b" is no longer taken']],
    withChoice({ enum: ['a', 'b'] }),
  ),
  breaking('what took any text is given no set of values', put(`${bought}/reason/enum`, ['quest']), [
    [`${bought}/reason`, 'a value other than "quest" is no longer taken'],
  ]),
  breaking('a text may be as long as it was', put(`${bought}/reason/maxLength`, 127), [
    [`${bought}/reason`, 'the greatest length went from 128 to 127'],
  ]),
  breaking('a text may be as short as it was', put(`${bought}/reason/minLength`, 2), [
    [`${bought}/reason`, 'the least length went from 1 to 2'],
  ]),
  breaking('a list may be as long as it was', put(`${bought}/changes/maxItems`, 10), [
    [`${bought}/changes`, 'the greatest number of items went from 20 to 10'],
  ]),
  breaking('a number may be as small as it was', put(`${bought}/changes/items/properties/amount/minimum`, 0), [
    [`${bought}/changes/items/properties/amount`, 'the least value went from -9007199254740991 to 0'],
  ]),
  breaking('a text is asked for no new pattern', put(`${bought}/reason/pattern`, '^[a-z]+$'), [
    [`${bought}/reason`, 'the pattern went from none to ^[a-z]+$'],
  ]),
  breaking('a text is asked for no new format', put(`${bought}/reason/format`, 'email'), [
    [`${bought}/reason`, 'the format went from none to email'],
  ]),
  breaking('a default stays what it is', put(`${schemas}/DeviceCredential/properties/create/default`, false), [
    [`${schemas}/DeviceCredential/properties/create`, 'the default went from true to false'],
  ]),
  breaking('a default is not taken away', drop(`${schemas}/DeviceCredential/properties/create/default`), [
    [`${schemas}/DeviceCredential/properties/create`, 'the default went from true to none'],
  ]),
  breaking(
    'an alternative of a body is still taken',
    put(choice, { anyOf: [granted] }),
    [[choice, 'the value "spent" is no longer taken']].map(
      ([, fact]) => [`${choice}/anyOf/1/properties/kind`, `${fact}`] as const,
    ),
    withChoice({ anyOf: [granted, spent] }),
  ),
  breaking(
    'an open body is not closed',
    put(`${schemas}/RefreshCredential/additionalProperties`, false),
    [[`${schemas}/RefreshCredential`, 'a member that the object does not name is no longer taken']],
    [drop(`${schemas}/RefreshCredential/additionalProperties`)],
  ),
  breaking(
    'a body is still taken as the media type that it was',
    put(`${device}/requestBody/content`, {
      'text/plain': { schema: text },
    }),
    [[`${device}/requestBody/content/${json}`, 'the media type application/json is no longer taken']],
  ),
  breaking('a call needs no new body', put(`${own}/requestBody`, { required: true, content: {} }), [
    [`${own}/requestBody`, 'a body is now required'],
  ]),
  breaking('a body is still taken', drop(`${device}/requestBody`), [
    [`${device}/requestBody`, 'the body is no longer taken'],
  ]),
  breaking(
    'a body that could be absent may still be',
    put(`${device}/requestBody/required`, true),
    [[`${device}/requestBody`, 'the body is now required']],
    [put(`${device}/requestBody/required`, false)],
  ),
  breaking(
    'what was open to all asks for no credentials',
    put('/paths/~1openapi.json/get/security', [{ publishableKey: [] }]),
    [['/paths/~1openapi.json/get/security', 'a call with no credentials is no longer taken']],
  ),
  breaking('an operation takes the credentials that it took', put(`${own}/security`, [{ server: [] }]), [
    [`${own}/security`, 'a call with player credentials is no longer taken'],
  ]),
  breaking(
    'an operation asks for no second credentials',
    put(`${own}/security`, [{ player: [], publishableKey: [] }]),
    [[`${own}/security`, 'a call with player credentials is no longer taken']],
  ),
  breaking('credentials are sent as they were', put('/components/securitySchemes/publishableKey/name', 'X-Key'), [
    ['/components/securitySchemes/publishableKey', 'the credentials publishableKey are sent in another way'],
  ]),
  breaking('credentials do not go away', drop('/components/securitySchemes/operator'), [
    ['/components/securitySchemes/operator', 'the credentials operator are gone'],
  ]),
  harmless('a new parameter that can be absent breaks nobody', withLimit),
  harmless('a parameter may become dispensable', put(`${transaction}/parameters/1/required`, false)),
  harmless(
    'the name of a header may be written in other case',
    put(`${transaction}/parameters/1/name`, 'idempotency-key'),
  ),
  harmless('a new member that can be absent breaks nobody', put(`${changes}/motto`, text)),
  harmless('a new member of an open body breaks nobody', put(`${schemas}/RefreshCredential/properties/note`, text), [
    drop(`${schemas}/RefreshCredential/additionalProperties`),
  ]),
  harmless('a member may become dispensable', put(`${schemas}/WalletTransaction/required`, ['changes'])),
  harmless('bounds may open', [
    put(`${bought}/reason/maxLength`, 256),
    put(`${bought}/reason/minLength`, 0),
    put(`${bought}/changes/maxItems`, 40),
    put(`${bought}/changes/minItems`, 0),
    drop(`${bought}/changes/items/properties/currency/pattern`),
  ]),
  harmless('null may be taken', put(`${bought}/reason/type`, ['string', 'null'])),
  harmless('a set of values may gain one', put(`${choice}/enum`, ['a', 'b']), withChoice({ enum: ['a'] })),
  harmless('a default may be made known', put(`${bought}/reason/default`, 'quest')),
  harmless('a body may take what it does not name', drop(`${schemas}/RefreshCredential/additionalProperties`)),
  harmless(
    'a body may take another media type as well',
    put(`${device}/requestBody/content/text~1plain`, { schema: text }),
  ),
  harmless('a body may become dispensable', put(`${device}/requestBody/required`, false)),
  harmless('a body may come that can be absent', put(`${own}/requestBody`, { content: {} })),
  harmless('other credentials may be enough as well', put(`${own}/security`, [{ server: [] }, { player: [] }])),
  harmless('an operation may ask for no credentials', put(`${own}/security`, [])),
  harmless(
    'new credentials break nobody',
    put('/components/securitySchemes/partner', { type: 'http', scheme: 'bearer' }),
  ),
]
