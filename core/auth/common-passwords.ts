/**
 * Words that most lists of leaked passwords lead with. With digits and signs around them they are the first millions of guesses,
 * so a password that is one of these and nothing else is refused in every such form (`password-rules.ts`): `Welcome2024!` as
 * `p@ssw0rd123`. In lower case, letters alone.
 */
export const commonWords: ReadonlySet<string> = new Set(
  `
  abcabc access account admin administrator adminadmin amanda andrea andrew angel anthony apple arsenal ashley asdf asdfgh
  asdfghjkl autumn babygirl badboy baseball basketball batman beautiful blink boston buster butterfly charlie cheese chelsea
  chocolate computer cookie daniel default demo donald dragon eminem facebook flower football forever freedom friend friends
  fuckyou gamer games gaming george ginger google guest hannah harley hello helloworld hockey hunter iloveyou internet jasmine
  jennifer jessica jesus jordan joshua justin killer letmein letmeinnow liverpool login love lovely loveme lovers loveyou maggie
  manchester manchesterunited master matrix matthew merlin michael michelle minecraft monkey mustang myspace naruto natasha
  nicole ninja nothing pass passcode passphrase password passwordpassword passwort player pokemon princess purple qazwsx
  qazwsxedc qwer qwert qwertz qwerty qwertyu qwertyui qwertyuio qwertyuiop rainbow ranger realmadrid robert root samantha secret
  shadow silver slipknot soccer spiderman spring starwars steelers summer sunshine superman superstar taylor temp temporary test
  tester testing testtest thomas thunder tigger trustno twilight unknown user username victoria welcome whatever william winner
  winter yankees zxcvbn zxcvbnm
  `
    .trim()
    .split(/\s+/),
)
