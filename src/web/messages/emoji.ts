/** Emoji and the words by which they are found. The first row is the most used. */
const list = `👍 thumbs up yes good like
❤️ red heart love
😂 tears of joy laugh lol
🎉 party tada celebrate
👀 eyes look see
✅ check mark done yes
🙏 folded hands thanks please
🚀 rocket ship launch
😀 grinning face happy
😄 smile happy
😅 sweat smile relief
🤣 rolling laughing
🙂 slight smile
😉 wink
😊 blush smile
😍 heart eyes love
😘 kiss
😋 yum tasty
😎 sunglasses cool
🤓 nerd
🤩 star struck wow
🥳 party face
😏 smirk
😌 relieved
😴 sleeping tired
🤔 thinking hmm
🤨 raised eyebrow doubt
😐 neutral
😑 expressionless
😶 no mouth silent
🙄 rolling eyes
😬 grimace
😮 open mouth wow surprise
😲 astonished
😳 flushed
🥺 pleading
😢 crying sad
😭 sobbing crying
😤 huff triumph
😠 angry
😡 rage angry
🤯 mind blown
😱 scream fear
😰 anxious sweat
😥 sad relieved
🤗 hug
🤫 shush quiet
🤭 giggle
🫡 salute
🫠 melting
🥲 smile tear
😇 halo angel
🤒 sick thermometer
🤕 hurt bandage
🥱 yawn tired
🤦 facepalm
🤷 shrug
💀 skull dead
👻 ghost
🤖 robot bot
💩 poo
👎 thumbs down no bad
👌 ok hand
✌️ victory peace
🤞 fingers crossed luck
🤝 handshake deal
👏 clap applause
🙌 raised hands hooray
💪 muscle strong
👋 wave hello bye
☝️ point up
👇 point down
👈 point left
👉 point right
✍️ writing
🧠 brain
💯 hundred perfect
🔥 fire hot
✨ sparkles
⭐ star
🌟 glowing star
⚡ lightning zap fast
💥 boom collision
💡 idea light bulb
❓ question
❗ exclamation
⚠️ warning
🚫 forbidden no
❌ cross no wrong
➕ plus add
➖ minus
🔴 red circle
🟡 yellow circle
🟢 green circle
🔵 blue circle
🧡 orange heart
💛 yellow heart
💚 green heart
💙 blue heart
💜 purple heart
🖤 black heart
🤍 white heart
💔 broken heart
💬 speech talk comment
🔔 bell notify
🔕 bell mute
📌 pin
📎 paperclip attach
🔗 link
📝 memo note
📅 calendar date
⏰ alarm clock time
⏳ hourglass wait
🔍 search magnifier
🔒 lock
🔓 unlock
🔑 key
🛠️ tools fix build
🔧 wrench fix
🐛 bug
🧪 test tube
📦 package ship
💻 laptop computer
📱 phone mobile
📈 chart up growth
📉 chart down
💰 money
🎁 gift present
🏆 trophy win
🥇 gold medal first
🎯 target dart goal
🎂 cake birthday
🍕 pizza
🍔 burger
🍎 apple
🍌 banana
☕ coffee break
🍺 beer
🍻 beers cheers
🥂 cheers toast
🌍 world earth
☀️ sun weather
🌧️ rain weather
❄️ snow cold
🌈 rainbow
🌱 seedling plant grow
🌹 rose flower
🐱 cat
🐶 dog
🦄 unicorn
🐢 turtle slow
🐙 octopus
🏠 house home
🚗 car
🚲 bike
✈️ plane travel
⚽ football soccer
🎵 music note
🎬 film movie
📷 camera photo`;

/** An emoji, and the words by which it is found. */
export const emoji: readonly (readonly [string, string])[] = list.split("\n").map((line) => {
  const end = line.indexOf(" ");
  return [line.slice(0, end), line.slice(end + 1)];
});
