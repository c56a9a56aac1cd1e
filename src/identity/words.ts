/**
 * 256 short words that are hard to mistake for one another, one for each value of a byte. Their order is part of what
 * both ends must agree on: never change it.
 */
export const words: readonly string[] = `
  acorn almond amber anchor apple arrow atlas aunt autumn bacon badge bagel bamboo banjo barrel basil basket
  beaver bell berry bishop bison blanket bottle bread breeze brick bronze bubble bucket butter button cactus
  camel candle canoe canyon captain carpet castle cave cedar cello chalk cherry chess circus citrus cobalt
  coffee comet copper coral cotton cousin crayon cricket crystal cyclone daisy delta denim desert diamond dinner
  dolphin donkey dragon eagle easel echo eclipse elbow elm emerald engine fabric falcon farmer feather fern
  fiddle finch flame flint flute forest fossil fox frost galaxy garden garlic gazelle geyser giant ginger
  glacier goblin gold gravel guitar hammer harbor hazel hedge helmet hermit heron honey horizon hotel husky
  iceberg igloo indigo inlet iron island jacket jaguar jasmine jelly jigsaw jungle juniper kayak kettle kiwi
  kitten ladder lagoon lantern laurel lemon lilac lily lizard lobster locket lunar magnet mango maple marble
  meadow melon molar mosaic moss museum mustard napkin nectar needle nickel noodle north nutmeg oasis ocean
  octopus olive onion opal orange orbit orchid otter oyster paddle palace panda papaya parrot peach pebble
  pelican pencil pepper piano pigeon pillow pirate planet plum poet pony prairie puffin quartz quiver rabbit
  radish raven ribbon river robin ruby saffron salmon sandal scarf shadow silver slipper spiral sparrow spider
  squash stable sunset temple thistle thunder tiger timber tomato topaz tulip tundra turtle uncle valley vanilla
  velvet violin volcano waffle walnut walrus whale window wolf wren yellow yogurt zebra zenith zigzag cinema
  dentist drizzle fjord gadget hamster insect koala magpie ostrich pretzel rhubarb sherbet spinach trumpet wagon
`
  .trim()
  .split(/\s+/);
