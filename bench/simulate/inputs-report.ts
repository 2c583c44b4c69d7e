import { type Basis, type InputName, inputs, modelAssumptions, type Values } from './inputs.ts'

/** Every figure with its source, and what is assumed beside figures. */
export const inputsText = (values: Values): string => {
  const lines = (Object.keys(inputs) as InputName[]).map((name) => {
    const { id, unit, what, basis, value } = inputs[name]
    const given = values[name] === value ? '' : ` (${value} where nothing else is said)`
    return `${id.padEnd(4)} ${name} = ${values[name]} ${unit}${given}\n     ${what}\n     ${basisText(basis)}`
  })
  const assumptions = modelAssumptions.map(({ id, what }) => `${id.padEnd(4)} ${what}`)
  return [...lines, ...assumptions].join('\n')
}

const basisText = (basis: Basis): string => {
  switch (basis.kind) {
    case 'assumption':
      return 'An assumption.'
    case 'source':
      return `Source: ${basis.url}, read on ${basis.read}.`
    case 'code':
      return `As it is in ${basis.file}.`
    case 'measured':
      return `Measured: ${basis.by}.`
  }
}
