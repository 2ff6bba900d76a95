"""The 1000 ImageNet classes gathered into everyday kinds, and those into wider ones. A table; called by labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that share an everyday name; `parent` is the wider kind, empty at the top."""

    name: str
    parent: str
    classes: frozenset[int]


def _group(name: str, parent: str, classes: str) -> Group:
    """Read `classes`: numbers and inclusive ranges such as `4 7-9`."""
    members: set[int] = set()
    for part in classes.split():
        first, _, last = part.partition("-")
        members.update(range(int(first), int(last or first) + 1))
    return Group(name, parent, frozenset(members))


GROUPS = (
    _group("fish", "animal", "0-6 389-397"),
    _group("bird", "animal", "7-24 80-100 127-146"),
    _group("salamander", "animal", "25-29"),
    _group("frog", "animal", "30-32"),
    _group("turtle", "animal", "33-37"),
    _group("lizard", "animal", "38-48"),
    _group("crocodile", "animal", "49-50"),
    _group("snake", "animal", "52-68"),
    _group("spider", "animal", "70 72-77"),
    _group("insect", "animal", "300-326"),
    _group("snail", "animal", "113-115"),
    _group("crab", "animal", "118-121 125"),
    _group("lobster", "animal", "122-124"),
    _group("other animal", "animal", "51 69 71 78-79 101-112 116-117 126 327-329"),
    _group("whale", "animal", "147-148"),
    _group("sea mammal", "animal", "149-150"),
    _group("dog", "animal", "151-268 273-275"),
    _group("wolf", "animal", "269-272"),
    _group("fox", "animal", "277-280"),
    _group("hyena", "animal", "276"),
    _group("cat", "animal", "281-285"),
    _group("big cat", "animal", "286-293"),
    _group("bear", "animal", "294-297"),
    _group("rabbit", "animal", "330-332"),
    _group("rodent", "animal", "333-338"),
    _group("horse", "animal", "339"),
    _group("zebra", "animal", "340"),
    _group("pig", "animal", "341-343"),
    _group("hippopotamus", "animal", "344"),
    _group("cow", "animal", "345-347"),
    _group("sheep", "animal", "348-349"),
    _group("goat or antelope", "animal", "350-353"),
    _group("camel", "animal", "354-355"),
    _group("small mammal", "animal", "298-299 356-364"),
    _group("ape", "animal", "365-369"),
    _group("monkey", "animal", "370-384"),
    _group("elephant", "animal", "385-386"),
    _group("panda", "animal", "387-388"),
    _group("car", "vehicle", "407 436 468 511 609 627 656 661 717 751 817"),
    _group("truck", "vehicle", "555 569 675 864 867"),
    _group("bus", "vehicle", "654 779 874"),
    _group("train", "vehicle", "466 547 565 705 820 829"),
    _group("motorcycle", "vehicle", "665 670"),
    _group("bicycle", "vehicle", "444 671 870 880"),
    _group("airplane", "vehicle", "404 895 908"),
    _group("balloon or airship", "vehicle", "405 417"),
    _group("boat", "vehicle", "403 472 484 510 554 576 625 628 724 780 814 833 871 914"),
    _group("spacecraft", "vehicle", "657 744 812"),
    _group("farm or work vehicle", "vehicle", "408 561 573-575 586 595 621 730 803 847 856 866"),
    _group("cart or sled", "vehicle", "428 450 537 603 612 690 802"),
    _group("van", "vehicle", "734 757"),
    _group("church or temple", "building", "497 663 668 832"),
    _group("castle or palace", "building", "483 698"),
    _group("tower", "building", "437 442 900"),
    _group("bridge", "building", "821 839 888"),
    _group("house or hut", "building", "425 449 580 660 672 915"),
    _group("monument", "building", "649 682 863 873"),
    _group("other building", "building", "500 525 536 538 624 706 718 727 743 762 825 853 858 884"),
    _group("shop", "building", "415 424 454 467 498 509 582 788 860 865"),
    _group("cup", "tableware", "504 968 967"),
    _group("bottle", "tableware", "440 737 898 907"),
    _group("glass", "tableware", "441 572"),
    _group("bowl", "tableware", "659 809"),
    _group("plate", "tableware", "923 729"),
    _group("pot or jug", "tableware", "469 505 521 544 567 725 849 899 901 909"),
    _group("chair", "furniture", "423 559 765 857"),
    _group("couch", "furniture", "831"),
    _group("bed", "furniture", "431 516 520 564"),
    _group("table", "furniture", "526 532 736"),
    _group("bench", "furniture", "703"),
    _group("cabinet or shelf", "furniture", "453 492-493 495 548 553 648 894"),
    _group("clock", "object", "409 530 892"),
    _group("watch", "object", "531 826"),
    _group("camera", "object", "732 759 622"),
    _group("tripod", "object", "872"),
    _group("computer", "object", "508 527 590 620 664 673 681 782 810"),
    _group("telephone", "object", "487 528 707"),
    _group("television", "object", "851 598"),
    _group("guitar", "musical instrument", "402 546"),
    _group("piano", "musical instrument", "579 881"),
    _group("drum", "musical instrument", "541 822"),
    _group("violin or cello", "musical instrument", "486 889"),
    _group(
        "other musical instrument",
        "musical instrument",
        "401 420 432 494 513 558 566 577 593-594 641-642 683-684 687 699 776 875",
    ),
    _group("ball", "object", "429-430 522 574 722 768 805 852 890"),
    _group("umbrella", "object", "879"),
    _group("bag", "object", "414 636 728 748 797"),
    _group("shoe", "clothing", "502 514 630 770 774"),
    _group("hat", "clothing", "439 452 515 667 715 808"),
    _group("glasses", "clothing", "836-837"),
    _group("helmet", "clothing", "518 560"),
    _group(
        "other clothing",
        "clothing",
        "399-400 411 433 445 451 457 459 465 474 501 529 568 578 601 608 610 614 617 638-639 652 655 658 689 697 735 "
        "775 796 806 824 834 841-842 869 887 906",
    ),
    _group("street sign", "object", "919"),
    _group("traffic light", "object", "920"),
    _group("fruit", "food", "948-957 990 988-989"),
    _group("vegetable", "food", "936-947 987"),
    _group("mushroom", "plant", "991-997"),
    _group("pizza", "food", "963"),
    _group("sandwich or burger", "food", "933-934 965"),
    _group("bread", "food", "930-932"),
    _group("dessert", "food", "927-929 960"),
    _group("other dish", "food", "924-926 935 959 961-962 964 966 969"),
    _group("flower", "plant", "984-986"),
    _group("mountain", "landscape", "970 972 980"),
    _group("coast", "landscape", "975-978"),
    _group("valley", "landscape", "979"),
    _group("geyser", "landscape", "974"),
    _group("coral reef", "landscape", "973"),
    _group("fountain", "object", "562"),
)
