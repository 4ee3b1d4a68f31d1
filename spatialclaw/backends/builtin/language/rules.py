"""The table of patterns: (family, what is asked, pattern), specific ones first."""

from __future__ import annotations

from spatialclaw.backends.builtin.language import words
from spatialclaw.backends.builtin.language.things import CAMERA

__all__ = ["END", "MACROS", "RULES"]

END = r"\s*(?:[?.,:]|$)"
_MOVE = (
    r"\b(?:mov(?:e|es|ed|ing)|travel(?:s|ed|led|ing|ling)?|go(?:es|ne)?|going|went|shift(?:s|ed|ing)?|"
    r"translat(?:e|es|ed|ing)|fl(?:y|ies|ew|ying|own)|slid(?:e|es|ing)?|walk(?:s|ed|ing)?|driv(?:e|es|en|ing)|"
    r"drove|advanc(?:e|es|ed|ing)|displac(?:e|ed|es)|dolly|truck(?:s|ed|ing)?|head(?:s|ed|ing)?|step(?:s|ped|"
    r"ping)?|come|came|ris(?:e|es|ing)|rose)\b"
)
_TURN = (
    r"\b(?:turn(?:s|ed|ing)?|rotat(?:e|es|ed|ing|ion)|pan(?:s|ned|ning)?|swivel(?:s|led|ed|ling|ing)?|"
    r"yaw(?:s|ed|ing)?|tilt(?:s|ed|ing)?|swing(?:s|ing)?|swung|pivot(?:s|ed|ing)?|spin|spun)\b"
)
_CAM = (
    r"(?:(?:the|my|your|this|a) )?(?:video |handheld )?(?:camera(?: ?man| ?person| operator)?|drone|photographer|viewer|"
    r"observer|robot|phone|device|(?:person|car|vehicle|robot|drone|one|man|woman|bike|cyclist|boat) "
    r"(?:that is |who is |which is )?(?:carrying|holding|with|bearing|that carries|filming|who films|"
    r"recording|that films|taking)(?: the| a| this)? ?(?:camera|photos?|pictures?|video|scene)?|ego[- ]?vehicle|"
    r"ego car|i|we|you|camera's (?:view|viewpoint)|viewpoint|point of view|view)"
    r"(?: (?:in|from|between|over|during) [^?.,]*?)?"
)
_DO = r"(?:do|does|did|is|are|was|were|has|have|had|must|should|would|will)"
_BE = r"(?:is|are|was|were|be|lies?|stands?|sits?|appears?|looks?|seems?|hangs?|gets|comes)"
_PICS = r"(?:photos?|pictures?|images?|views?|frames?|shots?|snapshots?|viewpoints?|cameras?)"
_LIM = r"(?P<n>\d+(?:\.\d+)?) ?(?P<u>m|cm|mm|km|ft|feet|foot|inch(?:es)?|meters?|centimeters?|millimeters?|degrees?|deg)\b"
_STAND = (
    r"(?:stand(?:ing|s)?|stood|positioned|located|seated|sitting|sit|placed|am|are|were|is|be|beginning|start(?:ing)?|"
    r"place myself|go|stay)"
)
_FACE = (
    r"(?:fac(?:e|es|ing)|look(?:s|ing)? (?:at|toward|to|in the direction of|straight at)|turned (?:toward|to)|"
    r"oriented (?:toward|to)|gaz(?:e|ing) (?:at|toward)|with (?:my|your|his|her|the) (?:face|eyes|gaze|back) "
    r"(?:to|toward|on)|view(?:ing)?|see(?:ing)?)"
)
_AT = (
    r"(?:at|by|next to|near|beside|in front of|on|in|behind|from|in the (?:position|place|location|spot) of|at the "
    r"(?:position|location|place|spot) of|where)"
)

MACROS = {
    "A": r"(?P<a>[^?.;]+?)",
    "B": r"(?P<b>[^?.;]+?)",
    "C": r"(?P<c>[^?.;]+?)",
    "LIST": r"(?P<list>[^?.]+?)",
    "COMP": "(?P<comp>" + "|".join(f"(?:{p})" for p, _ in words.COMPARATIVES) + ")",
    "DIM": "(?P<dim>" + "|".join(f"(?:{p})" for p, _ in words.DIMENSIONS) + ")",
    "DIRWORD": "(?:" + "|".join(p for _, p in words.DIRECTIONS) + ")",
    "CAMERA": CAMERA,
    "CAM": _CAM,
    "V": r"@v\d+",
    "P": r"@p\d+",
    "PICS": _PICS,
    "BE": _BE,
    "DO": _DO,
    "MOVE": _MOVE,
    "TURN": _TURN,
    "LIM": _LIM,
    "STAND": _STAND,
    "FACE": _FACE,
    "AT": _AT,
    "END": END,
    "ENDL": r"\s*(?:[?]| \.|$)",
    "MORE": r"(?P<cmp>more|greater|larger|bigger|longer|less|smaller|shorter|closer|nearer|farther(?: away)?|"
            r"at least|at most|over|under|exceed(?:s|ing)?|taller|wider|higher|lower|deeper)(?: than)?",
}  # fmt: skip

_WHICHWAY = (
    r"(?:which|what)(?: \w+)? (?:direction|way|side)|where|how|(?:in|to|toward|into) (?:which|what)(?: \w+)? "
    r"(?:direction|way|side)"
)

Rules = list[tuple[str, str, str]]

BOARDS: Rules = [
    ("chessboard", "corners", r"(?:inner |inside |internal |interior )?corners?\b.*(?:(?:chess|checker)[- ]?board|calibration (?:pattern|board|target))|"
     r"(?:(?:chess|checker)[- ]?board|calibration (?:pattern|board|target)).*(?:corner|pattern|grid|size)"),
    ("chessboard", "squares", r"(?:squares?|fields|cells|rows|columns)\b.*(?:(?:chess|checker)[- ]?board|calibration (?:pattern|board|target))|"
     r"(?:(?:chess|checker)[- ]?board|calibration (?:pattern|board|target)).*(?:squares?|rows|columns)"),
    ("chessboard", "present", r"(?:is|are) there (?:a |any )?(?:(?:chess|checker)[- ]?board|calibration (?:pattern|board|target))s?"),
    ("markers", "dictionary", r"(?:which|what)(?: \w+)* (?:dictionary|dictionaries|family|families)\b"),
    ("markers", "has_id", r"^(?!.*(?:left|right|above|below|front|behind|nearer|closer|far))(?:is|are|does|do|can)\b.* (?:id|ids|marker|tag)s?(?: id| number| no)? ?(?P<quantity>\d+)\b(?!.*\bor\b)"
     r"(?!.*(?:left|right|above|below|front|behind|closer|nearer|larger|bigger|higher|farther))"),
    ("markers", "count_ids", r"(?:how many|number of)(?: \w+)* (?:different|distinct|unique)(?: \w+)* (?:ids?|markers?|tags?)"),
    ("markers", "largest", r"(?:which|what)\b.*(?:id|aruco|april\w*|marker|tag)s?\b.*{COMP}|(?:which|what) [^?]*{COMP}\b.*(?:aruco|april ?tag|marker|tag)s?\b"),
    ("markers", "ids", r"(?:which|what|list|give|read|name|identify|report)\b.*\bids?\b|\bids?\b (?:of|are|on)\b|"
     r"(?:which|what)(?: \w+)* (?:aruco|april ?tags?|april)\b"),
    ("markers", "count", r"(?:how many|number of|count)(?: \w+){0,4}? (?:aruco|april ?tags?|fiducials?|markers?\b|tags?\b)"),
    ("markers", "present", r"(?:is|are) there (?:an? |any )?(?:aruco|april ?tag|fiducial|marker)"),
]  # fmt: skip

MATCH: Rules = [
    ("correspond", "pixel", r"(?:correspond|match(?:es|ing)?|shows?|same|appear|reappear|found|seen|visible|located|"
     r"end up|lie|fall|map|where|find|show)\b.*{P}.*{V}|{P}.*(?:correspond|match|same|appear|seen|visible|located|"
     r"show|end up|lie|fall|map|where)\b.*{V}|{V}.*(?:correspond|match|shows?|same|appear|seen|visible|located|where|find)\b.*{P}"),
]  # fmt: skip

MATCH += [
    ("correspond", "pixel", r"(?:coordinates?|position|location|pixel|where|point)\b[^?]*(?:{V}[^?]*{P}[^?]*{V}|{P}[^?]*{V}[^?]*{V}|{V}[^?]*{P})"),
]  # fmt: skip

APPEAR: Rules = [
    ("appearance", "order", r"(?:order|sequence)\b[^?]*\b(?:appear\w*|enter\w*|seen|shown|visible|show up|come into view)\b"
     r"[^?:]*(?::|categories in the video|following(?: \w+)*:?)\s*{LIST}{ENDL}\s*$"),
    ("appearance", "order", r"(?:order|sequence)\b[^?]*\b(?:do|does|did|are|were|is) {LIST} (?:first |come to )?(?:appear|enter|"
     r"become visible|come into view|show up|seen)"),
    ("appearance", "order", r"(?:appearance order|order of (?:first )?appearance)(?: of| for)?(?: the)?(?: following)?"
     r"(?: objects?| categories| things)?(?: in [^:?]*)?[: ]+{LIST}{ENDL}"),
    ("appearance", "order", r"(?:appearance order|order of (?:first )?appearance|order[^?]* appear)"),
    ("appearance", "first", r"(?:which|what|who)(?: of)?(?: the| these)?(?: following)?(?: objects?| things?| one| person| car)?,? "
     r"(?:is|are|does|do|comes?|gets?)? ?(?P<quantity>first|last) (?:to )?(?:appears?|seen|shown|visible|enters?|come into view)"
     r"[^?:,]*(?:[,:?] (?:is it )?{LIST})?{ENDL}"),
    ("appearance", "first", r"(?:which|what|who)\b[^?,:]* (?:appears?|seen|shown|visible|enters?|comes? into view)(?: in the video)? "
     r"(?P<quantity>first|last|earlier|later|earliest|latest)[^?:,]*(?:[,:?] (?:is it )?{LIST})?{ENDL}"),
    ("appearance", "before", r"(?:does|do|did|is) {A} (?:appear|enter|become visible|seen|shown|come into view)(?: in the video)? "
     r"(?P<quantity>before|after|earlier than|later than) {B}{END}"),
    ("appearance", "when", r"(?:when|at (?:what|which) (?:time|second|moment|frame))\b[^?]*(?:does|do|did|is|are) {A} "
     r"(?:first )?(?P<verb>appear|enter|visible|seen|come into view|leave|disappear|exit)"),
    ("video", "length", r"how long (?:is|does) the (?:video|clip|recording)|(?:duration|length) of the (?:video|clip|recording)"),
    ("video", "frames", r"how many (?:frames|photos|pictures|images|views)\b(?! (?:show|contain))"),
]  # fmt: skip

ORDER: Rules = [
    ("order", "", r"(?:order|sort|rank|arrange|list|sequence|ordering|put)\b[^?:]*?{COMP}(?: \w+)*? (?:to|first)\b[^?:]*?"
     r"(?::|which are|objects?|things|following) ?{LIST}{ENDL}\s*(?:[?.].*)?$"),
    ("order", "", r"(?:order|sort|rank|arrange|put) (?!the following|these|from|by|in)(?:the )?{LIST} (?:from|by|in order of|in the order)\b"
     r"[^?:]*?{COMP}"),
    ("order", "", r"(?:from {COMP} to \w+|{COMP2} first)[^?:]*(?:: ?{LIST})?{ENDL}".replace("{COMP2}", "(?:nearest|closest|smallest|largest)")),
    ("order", "", r"(?:order|sort|rank|arrange|correct order|what is the order)\b[^?:]*?{COMP}"),
    ("order", "lr", r"(?:order|sort|rank|arrange|list|put|name)\b[^?:]*?from (?P<word>left|right|top|bottom) to (?:right|left|bottom|top)"
     r"[^?:]*(?:[:,] ?{LIST})?{ENDL}"),
    ("order", "distance", r"(?:order|sort|rank|arrange)\b[^?:]*(?:distance|depth)[^?:]*: ?{LIST}{ENDL}"),
]  # fmt: skip

DIRECTION: Rules = [
    # where one stands (a), what one faces (b), what is asked for (c)
    ("direction", "what", r"(?:{STAND}) {AT} {A},?(?: and| while)?(?: i am| you are| am| are| is)? {FACE} (?:toward )?{B}[,.] ?"
     r"(?:then )?(?:what|which)(?: object| thing| of the following)?(?: is| are)? (?:located |positioned )?(?:to|on|at|in|directly)? ?"
     r"(?:my|your|the|their|his|her)?(?: immediate)? ?(?P<word>left|right|behind(?: me| you)?|in front(?: of (?:me|you))?|back|rear|front)"),
    ("direction", "angle", r"(?:{STAND}) {AT} {A},?(?: and| while)?(?: i am| you are| am| are| is)? {FACE} (?:toward )?{B}[,.] ?"
     r"[^?]*(?:how many degrees|(?:what|which) (?:is the )?angle|by how much)[^?]*?(?:\bto (?:face|look at|see|reach)|"
     r"\b(?:is|toward|of|to|between)) (?!me\b|you\b|my\b|your\b|the (?:left|right)){C}(?: located)?(?: from me)?{END}"),
    ("direction", "", r"(?:{STAND}) {AT} {A},?(?: and| while)?(?: i am| you are| am| are| is)? {FACE} (?:toward )?{B}[,.] ?"
     r"(?:then )?(?:(?:which|what)(?: \w+)? (?:direction|way|side)|where|(?:in|to|on) (?:which|what)(?: \w+)? (?:direction|side|way|"
     r"quadrant))[^?]*?(?:must|should|do|would|will|have to|need to|can) (?:i|you|one|we|they) (?:have to |need to )?"
     r"(?:turn|look|go|walk|move|rotate)(?: left or right)?(?: in order)? ?(?:to (?:face|see|look at|reach|get to|find)|for|toward)? {C}{END}"),
    ("direction", "", r"(?:{STAND}) {AT} {A},?(?: and| while)?(?: i am| you are| am| are| is)? {FACE} (?:toward )?{B}[,.] ?"
     r"(?:then )?(?:is|are|would|will) {C} (?:be )?(?:located |positioned |situated )?(?:to|on|at|in|toward|behind)\b(?: the| my| your)?"),
    ("direction", "", r"(?:{STAND}) {AT} {A},?(?: and| while)?(?: i am| you are| am| are| is)? {FACE} (?:toward )?{B}[,.] ?"
     r"(?:then )?(?:(?:which|what) (?:is the )?(?:relative )?(?:direction|position|side|quadrant|location)(?: of| to| is| does| lies)?|where"
     r"|(?:in|to|on|at|into) (?:which|what)(?: relative)?(?: \w+)? (?:direction|side|way|quadrant)|which way)(?: of (?:me|you|them|him|her))? ?"
     r"(?:is|are|would|will|lies?|does|can|do|should)?(?: i| you| one)?(?: find| see)? ?{C}(?: be| lie| lies| located| positioned| to me| from me"
     r"| relative to me| relative to you| situated| be located| be found| in relation to me| with respect to me)*{END}"),
    ("direction", "", r"(?:(?:in|on|to) )?(?:which|what|where)\b(?: direction| side| way| is the direction of)?(?: is| are| lies| does| of)? {C}"
     r"(?: located| positioned| lie| be)?,? (?:for|from|to|relative to|as seen by|seen by|according to|if|when|when seen from|seen from|"
     r"from the (?:perspective|viewpoint|point of view|position) of) (?:someone|somebody|a person|one|a viewer|an observer|i|you|me|the person)?"
     r" ?(?:who |that )?{STAND}? ?(?:at|by|next to|near|beside|in front of|on) {A},?(?: and| while)?(?: who)? ?(?:is|am|are)? ?{FACE} (?:toward )?{B}{END}"),
    ("direction", "", r"(?:is|are) {C} (?:to|on|at|in)? ?(?:the |my |your )?(?P<dirs>left|right|front|back|behind)[^?]*?"
     r"(?:for|from|to|if|when|as seen by|from the perspective of) (?:someone|somebody|a person|one|a viewer|an observer|i|you)?"
     r" ?(?:who |that )?{STAND} {AT} {A},?(?: and| while)?(?: who)? ?(?:is|am|are)? ?{FACE} (?:toward )?{B}{END}"),
    ("direction", "", r"(?:from|at|standing at|standing by) (?:the (?:position|viewpoint|perspective|point of view) of )?{A},? (?:and )?"
     r"{FACE} (?:toward )?{B}[,.] ?(?:then )?(?:where|(?:in |on |to )?(?:which|what)(?: \w+)? (?:direction|side|way)|is|are) "
     r"?(?:is|are|does|lies)? ?{C}(?: located| positioned| lie| (?:to|on) (?:the |my |your )?(?:left|right)[^?]*)?{END}"),
    ("direction", "", r"(?:for|to|from the (?:perspective|viewpoint|point of view) of) (?:someone|somebody|a person|one|a viewer|an observer)"
     r" (?:who )?{STAND} {AT} {A},?(?: and| who| while)?(?: is)? {FACE} (?:toward )?{B}[,.] ?(?:(?:where|(?:in |on |to )?(?:which|what)(?: \w+)? "
     r"(?:direction|side|way))(?: is| are| lies| does)?|is|are) {C}(?: located| lie| (?:to|on) (?:the |his |her |their )?(?:left|right)[^?]*)?{END}"),
]  # fmt: skip

CAMERA_RULES: Rules = [
    ("direction", "angle", r"(?:how many degrees|by how much|what angle)[^?]*?(?:turn|rotate)[^?]*?(?:to (?:face|look at|see)|toward) {C},? (?:if|when) [^?]*?{STAND} {AT} {A},?(?: and)?(?: am| are)? {FACE} (?:toward )?{B}{END}"),
    ("camera", "turn_angle", r"(?:how (?:much|far|many degrees)|(?:by|through) (?:what|how|which)[^?]*(?:angle|degrees|much|far)|what[^?]*"
     r"angle)\b[^?]*\b{CAM}\b[^?]*?{TURN}|(?:angle of rotation|rotation angle|turning angle|angle)\b[^?]*\b(?:camera|views?|photos?|"
     r"pictures?|optical axes|viewing directions)|(?:rotation|angle)\b[^?]*\b(?:between|from) {V}|how (?:much|many degrees)\b[^?]*\b(?:rotat|turn)(?:e|ed|ion)?\b[^?]*\b(?:camera|between)"),
    ("camera", "turn", r"(?:{WHICHWAY})\b[^?]*?{CAM} (?:mainly |mostly |primarily )?(?:{TURN}|look)\b|"
     r"(?:did|does|is|was|has) {CAM} (?:been )?(?:mainly )?{TURN}\b[^?]*(?P<word>{DIRWORD})(?: (?:or|and) [^?]*)?|"
     r"(?:direction|sense) of (?:the )?(?:camera(?:'s)? )?(?:rotation|turn|pan)|camera(?:'s)? (?:rotation|turn|pan) (?:direction|to the)"
     .replace("{WHICHWAY}", _WHICHWAY)),
    ("camera", "relative", r"(?:was|is|were) (?P<noun>{V}) (?:(?:taken|shot|made|located|placed|positioned|standing) )?(?:from )?(?:a (?:position|place|point) )?(?:more |farther |further )?(?:to |on |from )?(?:the )?"
     r"(?P<word>left|right|higher|lower|above|below|forward|front|behind|back)\b[^?]*"),
    ("camera", "relative", r"(?:where|(?:on|to) (?:which|what) side) (?:was|is|were) (?P<noun>{V}) (?:taken|located|placed|positioned)? ?(?:relative to|from|of|compared to) {V}"),
    ("camera", "positions", r"how far [^?]*camera (?:of|in|at) {V}[^?]* from [^?]*{V}"),
    ("camera", "travel", r"(?:how (?:far|much)|(?:what|which) distance|how long a way)\b[^?]*?\b(?:did|does|has|have|had|was|is) {CAM}\b[^?]*?"
     r"{MOVE}\b|(?:length|distance)\b[^?]*(?:path|trajectory|route|track|travel+ed|covered)|how long (?:is|was) the (?:camera(?:'s)? )?"
     r"(?:path|trajectory|route|track)|(?:distance|displacement)\b[^?]*\b(?:did|has|does) {CAM}|how far\b[^?]* camera[^?]*{MOVE}|"
     r"(?:displacement|translation) of (?:the )?camera|camera(?:'s)? (?:displacement|translation distance)"),
    ("camera", "positions", r"(?:how far|distance|separation|how (?:close|wide)|baseline|gap|apart)\b[^?]*\b(?:camera (?:positions?|centers?|"
     r"locations?)|cameras|positions? of the camera|viewpoints|places? (?:from which|where)|positions (?:from which|where)|where [^?]*taken|"
     r"{V}[^?]*(?:taken|shot)|{PICS} (?:taken|shot))|how far apart (?:are|were) (?:the )?(?:two )?(?:{PICS}|{V} and {V})(?: taken)?{END}|"
     r"distance between (?:the )?(?:two )?(?:cameras|camera (?:positions|centers|locations)|{V} and {V})|{V} and {V}[^?]*(?:how far apart|camera positions)|baseline (?:length )?(?:of|between)"),
    ("camera", "height", r"how high\b[^?]*\b(?:is|was) the camera\b|height of the camera|camera(?:'s)? height|"
     r"(?:how far|distance)[^?]*\bcamera (?:is )?(?:above|from|over) (?:the )?(?:ground|floor)"),
    ("camera", "tilt", r"(?:pitch|tilt|roll|inclination)\b[^?]*(?:of|is|does)\b[^?]*camera|camera[^?]*\b(?:tilted|pitched|inclined|level)\b|"
     r"(?:does|is) the camera (?:look|looking|point|pointing|tilted) (?P<word>up|down)"),
    ("camera", "speed", r"(?:how fast|(?:what|which)[^?]*(?:speed|velocity)|(?:average )?speed of)\b[^?]*?\b(?:camera|drone|photographer|(?:car|"
     r"vehicle|person|robot) (?:carrying|with|holding) the camera|ego[- ]?vehicle|viewer)\b"),
    ("camera", "moves", r"(?:^|[.,] )(?:so )?(?:does|did|is|was|has|do|are|were) (?:the |my |this )?(?:video |handheld )?(?:camera|drone|viewpoint|view|photographer|"
     r"tripod|background)(?: itself| position)? ?(?:being |been |actually |really )?(?:move|moving|moved|in motion|change|static|stationary|still|fixed(?: on a tripod)?|motionless|"
     r"stay still|stand still|remain (?:still|static|fixed|stationary)|stay (?:still|fixed|in place)|at rest|shake|panning|handheld)(?: position| place)?"
     r"(?: at all| or (?:not|static|stationary|still|fixed|is it \w+|does it \w+ \w+|stay \w+|moving|handheld|does it stay \w+|stand still|remain \w+))?"
     r"(?: (?:in|during|over|throughout|between|while|through|within) [^?]*)?{END}|is there (?:any )?camera (?:motion|movement)|"
     r"(?:was|is) (?:the |this )?(?:video|clip) (?:recorded|taken|shot|filmed)[^?]*(?:static|fixed|moving|stationary|tripod)"),
    ("camera", "move", r"(?:{WHICHWAY})\b[^?]*?\b{CAM} (?:been )?(?:mainly |mostly |primarily |predominantly |chiefly )?{MOVE}\b|"
     r"(?:did|does|is|was|has|do|are) {CAM} (?:been |mainly |mostly )?{MOVE}\b[^?]*?(?P<word>{DIRWORD})(?:[^?]* or [^?]*)?|"
     r"(?:direction|way)\b[^?]*\b(?:camera(?:'s)? (?:motion|movement|displacement|translation|travel)|(?:motion|movement|translation|displacement|"
     r"travel) of (?:the )?(?:camera|drone|viewer|observer|photographer))|(?:camera(?:'s)? (?:main |primary |consistent )*(?:motion|movement))[^?]*(?:direction)|"
     r"camera moving (?:either )?[^?]*(?P<dirs>left|right)[^?]*|relative to @v\d+[^?]*where (?:is|was) (?:the camera|@v\d+)"
     .replace("{WHICHWAY}", _WHICHWAY)),
    ("camera", "describe", r"how (?:did|does|has|is) {CAM} {MOVE}|describe[^?.]*(?:camera|viewpoint|view) ?(?:motion|movement|change)?|"
     r"camera (?:motion|movement|pose change|view change)|(?:relative )?(?:pose|motion) between (?:the )?(?:two )?{PICS}|view change"),
]  # fmt: skip

VIEWS: Rules = [
    ("views", "which", r"(?:which|what)(?: one)?(?: of)?(?: the| these)?(?: two| three| four| five)? ?{PICS}\b(?: was| is| were| are)?(?: taken| shot)? (?:from )?(?:the )?(?P<quantity>farthest forward|most forward|nearest|closest)"
     r"(?: to the (?:scene|subject))?{END}"),
    ("views", "compare", r"(?:does|is|do|are) {A} (?:look |appear |seem |get |become |come )?{COMP}(?: (?:to|from) (?![^?]* than ){B})? in {V}{END}"),
    ("views", "which", r"(?:which|what)(?: one)?(?: of)?(?: the| these)?(?: two| three| four| five)? ?{PICS}\b(?: was| is| were| are)?(?: taken| shot| captured| made)?"
     r"(?: from)?(?: the| a)?(?: position| place| point)?(?: that is)? ?{COMP}(?: position| place| point)?(?: to| from| of) {A}{END}"),
    ("views", "which", r"(?:in|on|from) (?:which|what)(?: one)?(?: of)?(?: the| these)?(?: two| three| four)? ?{PICS}\b (?:is|are|was|were|does|do|lies|appears?) "
     r"(?:the camera |the photographer |one )?(?:{COMP} (?:to|from) {A}|(?:the )?{B} (?:look |appear |seem )?(?:the )?"
     r"(?P<quantity>closer|closest|nearer|nearest|farther|farthest|larger|largest|bigger|biggest|smaller|smallest)(?: to (?:the )?camera| from (?:the )?camera)?){END}"),
    ("views", "compare", r"(?:is|are|was|were|does|do|has|did) {A} (?:look |appear |get |come |become |seem |got |move )?{COMP}(?: (?:to|from) {B})? (?:in|on|at) (?:{V}) (?:than|compared (?:to|with)) "
     r"(?:in|on|at|to)? ?(?:{V}){END}"),
    ("views", "compare", r"(?:in|on|at) {V},? (?:is|are|was|does) {A} (?:look |appear )?{COMP}(?: (?:to|from) {B})? (?:than|compared (?:to|with)) (?:in|on|at)? ?{V}{END}"),
    ("views", "between", r"(?:is|are|was|were|does) {A} (?:look |appear )?{COMP}(?: (?:to|from) {B})? (?:in|on|at) (?:{V}) or (?:in|on|at)? ?(?:{V}){END}"),
    ("views", "approach", r"(?:does|did|is|was) {CAM} (?:get |getting |come |coming |move |moving |go |going |walk |walking )?(?P<comp>closer|nearer|toward|away|farther)"
     r"(?: to| from)? {A}{END}"),
]  # fmt: skip

AREA: Rules = [
    ("area", "", r"(?:area|floor space|square footage|footprint|surface)\b (?:size )?(?:of|covered by|taken up by|occupied by|is) {A}(?: cover| have| take up)?{END}"),
    ("area", "", r"(?:floor|room|surface|ground) (?:area|size|space)(?: of {A})?{END}"),
    ("area", "", r"how many square meters\b[^?]*?(?:is|are|does|do|has|of|in) {A}(?: cover| have| take up| measure| occupy)?{END}"),
    ("area", "", r"how (?:large|big|spacious) (?:is|are) (?P<a>(?:the|this|that) (?:whole |entire |visible )?(?:\w+ )?(?:room|floor|kitchen|bedroom|bathroom|office|living room|"
     r"apartment|flat|hall|studio|basement)(?: (?:area|shown|space|itself|here))?){END}"),
    ("area", "", r"(?:size|dimensions?) of (?P<a>(?:the|this|that) (?:whole |entire )?(?:\w+ )?(?:room|floor|kitchen|bedroom|office|apartment)){END}"),
]  # fmt: skip

PASSAGES: Rules = [
    ("passages", "and_toward", r"(?:how many|number of) {A} (?:that )?(?:pass|drive|go|cross|come|travel|move|are there|appear|enter|are)\b[^?]*?"
     r"how many(?: of them| of these)?\b[^?]*?\b(?P<word>{DIRWORD})"),
    ("passages", "toward", r"how many {A} (?:are )?(?:drive|driving|move|moving|go|going|travel|traveling|travelling|walk|walking|head|heading|fly|flying|run|running|leave|come|coming|ride|riding)\b"
     r"(?: (?:in|on))?(?: the)?(?: direction of| direction)? ?(?:(?:from \w+ )?(?:toward|to|into) (?:the )?)?(?P<word>left|right|top|bottom|upper|lower|up(?! to)|down|away|camera)\b"),
    ("passages", "", r"how many {A} (?:\w+ly )?(?:(?:are |can be )?(?:seen )?(?:passing|crossing|entering|coming|walking|driving|going|leaving)|pass|walk|come|cross|enter|drive|go|step|"
     r"approach|visit|leave|arrive|travel|move|run|ride|appear one)\b"),
    ("passages", "", r"how (?:many times|often) (?:does|do|is) (?:a |an |some |any )?{A} (?:pass|walk|come|cross|enter|drive|go|approach|visit|leave|arrive)\b"),
    ("passages", "", r"how many(?: different)? {A}\b[^?]*(?:one after (?:another|the other)|in turn|successively|in succession|over the (?:course of the )?video|during the video)"),
    ("passages", "", r"(?:number|count) (?:of|the) {A} (?:that |who |which )?(?:pass(?:ing|es)?|cross(?:ing)?|enter(?:ing)?|walk(?:ing)?|visit(?:ing)?|com(?:e|ing))\b"),
]  # fmt: skip

MOVING: Rules = [
    ("moving", "speed", r"how fast (?:is|are|does|do|did|was|were) {A}(?: moving| move| going| go| driving| drive| travel\w*| run\w*| walk\w*| roll\w*| fly\w*| slid\w*)?"
     r"(?: (?:on average|in|between|during|across|over) [^?]*)?{END}"),
    ("moving", "speed", r"\b(?:speed|velocity|pace)\b(?: of| at which| with which| does| is) {A}(?: (?:is )?(?:moving|moves?|travel\w*|driving|drives?|rolls?|have|has|in the video|walk\w*|going|between [^?]*|over [^?]*))?{END}"),
    ("moving", "speed", r"(?:at )?(?:what|which)(?: is the)?(?: average| mean| approximate)? (?:speed|velocity) (?:does|do|is|are|did) {A}(?: (?:moving|move|travel\w*|driving|drive|have|roll\w*|walk\w*|go|going))?{END}"),
    ("moving", "side", r"(?:(?:on|at|through|to|toward|over|from|by) )?(?:which|what) (?:side|edge|border|part|corner)\b[^?]*?(?:do|does|did|is|are|has|have|will) {A} (?:finally |then )?(?P<verb>leave|leaving|exit|exiting|enter|entering|"
     r"disappear|come in|come|appear|go out|walk out|go|left|walk in|get out|drive out|walk away|walk off|arrive|depart)"),
    ("moving", "side", r"(?:where|(?:in|to) (?:which|what) direction|which way) (?:do|does|did) {A} (?:finally )?(?P<verb>leave|exit|enter|disappear|come in|go out|walk out|come from|walk off|walk away)"),
    ("moving", "side", r"(?:do|does|did) {A} (?P<verb>leave|exit|enter|disappear|come in|go out|walk out|walk off)\b[^?]*?(?P<word>{DIRWORD})"),
    ("moving", "far", r"(?:how (?:far|much)|(?:what|which) distance) (?:do|does|did|is|has|have) {A} (?:move|moved|travel\w*|go|gone|roll\w*|walk\w*|drive|driven|fly|flown|slide|slid|run)"),
    ("moving", "approach", r"(?:is|are|does|do|did) {A} (?:moving |move |coming |come |driving |drive |walking |walk |getting |get |going |go |approach(?:ing)? )?(?P<verb>approach(?:ing)?|toward|away from|closer to|farther from|nearer to) ?{CAMERA}?"
     r"(?: or [^?]*)?{END}"),
    ("moving", "direction", r"(?:(?:in|to|toward|into) )?(?:which|what)(?: \w+)? (?:direction|way)\b[^?]*?(?:do|does|did|is|are|was|were|has|have) {A} (?:mainly |mostly )?{MOVE}\b"),
    ("moving", "direction", r"(?:^|[.,] )(?:where|how) (?:do|does|did|is|are|was|were) {A} (?:mainly |mostly )?{MOVE}\b"),
    ("moving", "direction", r"(?:direction)\b[^?]*?\b(?:motion|movement|travel)\b(?: of)? {A}{END}|(?:motion|movement|moving|travel) direction of (?P<c>[^?.;]+?){END}"),
    ("moving", "direction", r"(?:^|[.,] )(?:is|are|does|do|did|was|were|has) {A} (?:mainly |mostly )?{MOVE}\b[^?]*?(?P<word>{DIRWORD})"),
    ("moving", "moves", r"(?:is|are|does|do|did|was|were) {A} (?:move|moving|stand still|standing still|stationary|static|parked|at rest|in motion|still)(?: at all| or [^?]*)?(?: in [^?]*)?{END}"),
    ("moving", "what", r"(?:what|which)(?: object| thing| of [^?]*?| \w+)? (?:is|are|was|does|do) (?:moving|moves?|in motion)"),
]  # fmt: skip

COUNT: Rules = [
    ("count", "limit", r"(?:are|is) there {MORE} (?P<n>\d+) {A}(?: (?:are|in|on|at|here|that)\b[^?]*)?{END}"),
    ("count", "limit", r"(?:are|is) there (?P<cmp>exactly|only|just) (?P<n>\d+) {A}(?: (?:are|in|on|at|here|that)\b[^?]*)?{END}"),
    ("count", "within", r"(?:how many|number of|count(?: the)?) {A} (?:are |is |stand |lie |can be found )?(?:there )?(?:located )?(?:within|at most|less than|closer than|nearer than|no more than|not farther than) {LIM}"
     r"(?: (?:of|to|from|away from|around))? ?{B}{END}"),
    ("count", "beyond", r"(?:how many|number of) {A} (?:are |is )?(?:more than|farther than|over|at least) {LIM} (?:away )?(?:from )?{B}{END}"),
    ("count", "larger", r"(?:how many|number of) {A} (?:are |is |that are )?{COMP} than {LIM}"),
    ("count", "compare", r"(?:how many|number of) {A} (?:are |is |stand |lie )?(?:located )?{COMP} (?:(?:to|from) {B} )?than {C}{END}"),
    ("count", "relation", r"(?:how many|number of) {A} (?:are |is |stand |lie |sit |hang )?(?:there )?(?:located |positioned |standing |lying )?(?:to |on )?(?:the )?"
     r"(?P<word>left|right|above|below|under|behind|in front|on top)(?: side)?(?: of)? {B}{END}"),
    ("count", "on", r"(?:how many|number of) {A} (?:are |is |stand |lie |sit )(?:there )?(?:located |standing |lying |placed )?on (?:top of )?(?!(?:the |this )?(?:picture|image|photo|sheet|left|right|average))"
     r"{B}{END}"),
    ("count", "relation", r"(?:how many|number of) {A} (?:are |is )?(?:there )?(?:on|in) the (?P<word>left|right|top|bottom|upper|lower) (?:half|side|part) of {B}{END}"),
    ("count", "", r"(?:how many|(?:what|which) is the (?:total )?number of|(?:total )?number of|count(?: up)?(?: all)?(?: the)?(?: number of)?)(?: different| distinct| separate)? (?!times\b|degrees\b|square meters){A}"
     r"(?:,? (?:are|is|can|do|does|did|could|have|has|was|were|stand|stands|lie|sit|hang|exist|appear|there|you|we|i)\b[^?]*)?{END}"),
    ("count", "", r"how many(?: of)? (?!times\b|degrees\b|square meters){A}{END}"),
]  # fmt: skip

SIZE: Rules = [
    ("size", "limit", r"(?:is|are|does|do) {A} (?P<comp>taller|higher|wider|broader|longer|deeper|thicker|bigger|larger|shorter|smaller|narrower|thinner) than {LIM}"),
    ("size", "limit", r"(?:is|are) {A} {MORE} {LIM} {DIM}{END}"),
    ("size", "limit", r"(?:is|are) the {DIM} of {A} {MORE} {LIM}"),
    ("size", "difference", r"(?:how much|by how much|what is the difference)\b[^?]*? (?:is|are) {A} {COMP} than {B}{END}"),
    ("size", "difference", r"how much {COMP} (?:is|are) {A} (?:than|compared to) {B}{END}"),
    ("size", "difference", r"difference (?:in|of|between) {DIM}s? (?:between|of) {A} and {B}{END}"),
    ("size", "ratio", r"how many times (?:as )?(?:{COMP}|{DIM}|(?P<noun>far|high)) (?:is|are)? ?{A} (?:as|than|compared (?:to|with)) {B}{END}"),
    ("size", "ratio", r"ratio (?:of|between) (?:the )?{DIM}s?(?: of)? {A}(?:'s)? (?:to|and|over|with) (?:the {DIM2} of )?{B}{END}".replace("{DIM2}", r"\w+")),
    ("height_above", "", r"how (?:high|far|much|tall)(?: up)? (?:is|are|does|do) {A}(?: is| are| lie| hang| sit| rise| reach)? (?:above|over|from|off) {B}{END}"),
    ("height_above", "", r"how (?:high|far) (?:above|over|off) {B} (?:is|are|does|do|hangs?) {A}{END}"),
    ("height_above", "", r"(?:height|elevation|altitude|vertical (?:distance|gap|offset)) of {A} (?:above|over|from|off) {B}{END}"),
    ("height_above", "", r"at (?:what|which) (?:height|elevation) (?:above {B} )?(?:is|are|does|do|hangs?) {A}(?: (?:hang|sit|stand|mounted|placed|located|lie))?{END}"),
    ("height_above", "", r"(?:vertical (?:distance|gap|separation|offset)|difference in height) (?:between|from) {A} (?:and|to) {B}{END}"),
    ("height_above", "", r"how high(?: up)? (?:is|are|does|do) (?P<a>(?:the )?(?:top|bottom|center|underside|upper edge|pixel|point|surface|middle|seat)\b[^?.;]*?){END}"),
    ("height_above", "", r"how high(?: up)? (?:is|are|does|do) {A} (?:hang|placed|mounted|located|sit|lie){END}"),
    ("height_above", "", r"how (?:high|far) (?:is|are) {A} (?:above|over|from|off) {B}"),
    ("size", "", r"(?:what|which|how (?:much|large|big|long)|give|estimate|measure|calculate|determine|find|compute|state|report|^)(?: is| are)?(?: the)?(?: of)?(?: approximate| total| overall| physical| real| actual)?"
     r" ?(?:the )?{DIM}(?: \([^)]*\))? (?:of|for|do|does|is) (?!far|the distance){A}(?: have| measure| has)?{END}"),
    ("size", "", r"how (?P<dim>tall|wide|long|broad|thick|deep|high|big|large|small) (?:is|are|was|were) {A}{END}"),
    ("size", "", r"how (?P<dim>tall|wide|long|broad|thick|deep|high|big|large) {BE} {A}{END}"),
    ("size", "", r"(?:what is|what are|give|estimate) {A}'s? {DIM}{END}"),
    ("size", "", r"how much (?:space|room) (?:is|does) {A}\b[^?]*(?P<dim>wide|long|large)?"),
]  # fmt: skip

DISTANCE: Rules = [
    ("distance", "limit", r"(?:is|are) {A} and {B} {MORE} {LIM} (?:apart|from each other|away from each other)"),
    ("distance", "limit", r"(?:is|are) the distance (?:between|from) {A} (?:and|to) {B} {MORE} {LIM}"),
    ("distance", "limit", r"(?:is|are) {A} {MORE} {LIM} (?:away )?(?:from|to|of) {B}{END}"),
    ("distance", "limit", r"(?:is|are) {A} (?P<cmp>within) {LIM} of {B}{END}"),
    ("distance", "limit", r"(?:is|are) {A} (?P<cmp>closer|nearer|farther)(?: away)?(?: to| from)?(?: {CAMERA})? than {LIM}{END}"),
    ("distance", "limit", r"(?:is|are) {A} (?P<cmp>more|less|farther|closer|nearer)(?: away)? than {LIM}(?: away)?{END}"),
    ("distance", "change", r"(?:how much|by how much)\b[^?]*(?:distance|depth)\b[^?]*between {A} and {B} (?:change|differ)"),
    ("distance", "change", r"how much (?:closer|nearer|farther)(?: away)? (?:is|does|did|was) {A} (?:get |come |to {CAMERA} |from {CAMERA} )*(?:in|at|on) {V}"),
    ("distance", "difference", r"how much (?P<comp>closer|nearer|farther|deeper)(?: away)? (?:to {CAMERA} |from {CAMERA} )?(?:is|are) {A}(?: (?:to|from) {CAMERA})? than {B}(?: (?:to|from) {CAMERA})?{END}"),
    ("distance", "difference", r"(?:difference (?:in|of) (?:depth|distance)|depth difference)s?(?: \w+)*? (?:between|of) {A} and {B}{END}"),
    ("distance", "depth", r"(?:depth|z[- ]?(?:value|coordinate|distance)?|disparity depth)\b(?: value| in \w+)? (?:of|at|for|to|from {CAMERA} (?:of|to)) {A}{END}"),
    ("distance", "depth", r"how deep (?:is|are|does) (?P<a>[^?.]*(?:{P}|scene)[^?.]*?){END}"),
    ("distance", "", r"(?:distance|separation|gap|spacing|space|clearance|length)\b(?: in \w+| \w+)?? (?:that )?(?:there is |lies )?(?:between|separating) {A} (?:and|to) {B}(?: (?:in|at|on) {V})?{END}"),
    ("distance", "", r"(?:distance|separation|spacing|gap)\b(?: \w+)?? (?:between|of|separating) (?:the )?(?P<list>(?:two|both|pair of)\b[^?.]*?){END}"),
    ("distance", "", r"(?:distance|length)\b(?: \w+)?? (?:from|of) {A} (?:to|from) {B}{END}"),
    ("distance", "", r"(?:distance|way)\b(?: \w+)?? to {A} from {B}{END}"),
    ("distance", "", r"(?:distance)\b(?: \w+)?? (?:to|of|for) {A}{END}"),
    ("distance", "", r"(?:what|how much) (?:distance|space|gap|room)? ?(?:separates?|divides?|lies? between|is there between|is between) {A} (?:and|from) {B}{END}"),
    ("distance", "", r"how far (?:away |apart )?{A} (?:is|are) (?:away )?from {B}{END}"),
    ("distance", "", r"how far (?:would|do|must|have|should|will|can) (?:i|you|one|we) [^?]*?from {A} to {B}{END}"),
    ("distance", "", r"at (?:what|which) distance (?:from {B} )?(?:is|are|does|do|stands) {A}(?: stand| lie| sit| hang)?{END}"),
    ("distance", "", r"how far apart,? (?:is|are) {A} and {B}(?: in (?:space|3d))?{END}"),
    ("distance", "", r"(?:^|[.,] ){A} and {B} (?:is|are) how far apart"),
    ("distance", "limit", r"(?:is|are) (?:the )?(?P<list>(?:two|both)\b[^?.]*?) {MORE} {LIM} (?:apart|from each other|away from each other)"),
    ("distance", "", r"how far (?:apart |away )?(?:from (?:each other|one another) )?(?:is|are|was|were|lie|stand|sit|do|does) (?:the )?(?P<list>(?:two|both|(?:\w+ )?of (?:the )?two|\w+ of the two)\b[^?.]*?)"
     r"(?: apart| from (?:each other|one another)| lie apart| stand apart)?{END}"),
    ("distance", "", r"how far (?:apart|away from each other|from each other|from one another|away from one another) (?:is|are|was|were|lie|stand|sit|do|does) {A} and {B}(?: stand| lie| sit)?{END}"),
    ("distance", "pair", r"how far (?:apart|away from each other|from each other|from one another) (?:is|are|was|were|lie|stand|sit|do|does) {A}(?: stand| lie| sit)?{END}"),
    ("distance", "", r"how far (?:is|are|was|were|do|does) {A} and {B}(?: lie| stand| sit)? (?:apart|from each other|away from each other|from one another|separated){END}"),
    ("distance", "", r"how far (?:do|does|is) (?:it from )?{A} (?:to|from) {B}{END}"),
    ("distance", "", r"how far (?:away |off |apart )?from {B} (?:is|are|was|were|does|do|lies|stands) {A}(?: lie| stand| sit)?{END}"),
    ("distance", "", r"how far (?:away |off )?(?:is|are|was|were) {A} (?:located |positioned |away |standing |situated |lying |parked |apart )*(?:from|to) {B}{END}"),
    ("distance", "", r"how far (?:separates?|lies? between|is between|are there between|is there between|between) {A} (?:and|from) {B}{END}"),
    ("distance", "depth", r"how far (?:ahead|in front|forward|straight ahead)(?: of (?:the camera|me|us|you))? (?:is|are|was|were|lies|stands|does) {A}(?: lie| stand| parked)?{END}"),
    ("distance", "depth", r"how far (?:is|are|was|were) {A} (?:ahead|in front)(?: of (?:the camera|me|us|you))?{END}"),
    ("distance", "", r"how far (?:away |off )?(?:is|are|was|were|stands|lies|sits|does|do|must) {A}(?: away| off| lie| stand| sit)?{END}"),
    ("distance", "", r"how (?:close|near) (?:is|are|was|were|does|do) {A} (?:to|and) {B}{END}"),
    ("distance", "", r"how long (?:is|must) (?:a |the )?(?:line|rope|cable|tape|segment|ruler)[^?]*? (?:between|from) {A} (?:and|to) {B}{END}"),
    ("distance", "", r"(?:measure|estimate|calculate|compute|find|determine|give)\b[^?]*?(?:distance|far)[^?]*? (?:between|from) {A} (?:and|to) {B}{END}"),
]  # fmt: skip

RELATION: Rules = [
    ("relation", "picture", r"(?:is|are|does|do) {A} (?:located |positioned |appear |lie |stand )?(?:in|on|at) (?:the )?(?P<word>left|right|top|bottom|upper|lower)(?:[- ]hand)?(?: (?:half|side|part|edge))?"
     r"(?: (?:or|and)(?: (?:in|on|at))?(?: the)? (?:right|left|bottom|top|lower|upper)(?:[- ]hand)?(?: (?:half|side|part|edge))?)?(?: of (?:the |this )?(?:picture|image|photo|frame|view|scene))?{END}"),
    ("relation", "picture", r"(?:(?:in|on) )?(?:which|what) (?:side|half|part|quadrant|corner|third) of (?:the |this )?(?:picture|image|photo|frame|view|scene) (?:is|are|does|do|shows?|contains?|lies) {A}(?: (?:in|on|located|lie|appear))?{END}"),
    ("relation", "on", r"(?:is|are) {A} (?:standing |lying |placed |sitting )?on (?:top of )?(?!the (?:left|right|picture|image|photo))(?!my|your){B}{END}"),
    ("relation", "", r"(?:is|are|was|were|does|do) {A} (?:located |positioned |placed |situated |standing |lying |parked |stand |lie |sit |sitting |more |farther )?(?:to |on |at |in )?(?:the )?"
     r"(?P<word>(?:{DIRWORD})(?:[- ](?:hand )?side)?(?: of)?(?:,? (?:or|and) (?:is it )?(?:to |on |at |in )?(?:the )?(?:{DIRWORD})(?: side)?)?)(?: of| from| to| than)? {B}(?:,? or (?:to |on )?(?:the )?{DIRWORD}(?: side)?(?: of)? it)?{END}"),
    ("relation", "", r"(?:where|how) (?:is|are|was|were|does|do|can|would) {A}(?: located| positioned| placed| situated| lie| stand| be| found| be found)*,? (?:relative to|in relation to|with (?:respect|regard) to|compared (?:to|with)|"
     r"with reference to|as seen from|from|when seen from|in reference to) {B}{END}"),
    ("relation", "", r"(?:position|location|placement|spatial relation(?:ship)?|relation(?:ship)?|direction|relative position|orientation) (?:of|between) {A} (?:relative to|in relation to|with (?:respect|regard) to|compared (?:to|with)|and|to|"
     r"from|as seen from|with reference to) {B}{END}"),
    ("relation", "", r"(?:(?:on|at|to|in) )?(?:which|what)(?: \w+)? (?:side|direction) (?:of|from|relative to) {B} (?:is|are|does|do|lies|stands|can you find) {A}(?: located| on| stand| lie| sit)*{END}"),
    ("relation", "", r"(?:(?:on|at|to|in) )?(?:which|what)(?: \w+)? (?:side|direction) (?:is|are|does|do|lies) {A}(?: located| lie| stand| positioned)? ?(?:of|from|relative to|in relation to|with respect to|to|as seen from) {B}{END}"),
    ("relation", "", r"relative to {B},? (?:where|(?:in|on|to) (?:which|what)(?: \w+)? (?:direction|side)) (?:is|are|does) {A}(?: located| lie| positioned)?{END}"),
    ("relation", "what", r"(?:what|which)(?: object| thing| \w+)? (?:is|are|lies|stands|sits) (?:located |directly |immediately |placed |lying |standing )?(?:to |on )?(?:the )?(?P<word>left|right|above|below|under|behind|in front|on top)(?: side)?(?: of)? {B}{END}"),
    ("relation", "camera", r"(?:(?:in|to|on) )?(?:which|what)(?: \w+)? (?:direction|side) (?:is|are|lies|does) {A}(?: located| lie)?(?: (?:from|relative to|as seen from|seen from) {CAMERA})?{END}"),
    ("relation", "camera", r"(?:is|are) {A} (?:to|on) (?:my|your|our) (?P<word>left|right)[^?]*{END}"),
    ("facing", "", r"(?:which|what|(?:in|to) (?:which|what)) (?:way|direction|side)\b[^?]*?(?:does|do|is|are|did) {A} (?:fac(?:e|ing)|point(?:ing)?|look(?:ing)?|orient(?:ed)?|turned)"),
    ("facing", "", r"(?:is|are|does|do) {A} (?:fac(?:e|ing)|look(?:ing)?|point(?:ing)?)\b[^?]*?(?P<word>{DIRWORD})"),
    ("where", "pixel", r"(?:where|at (?:which|what) (?:pixel|coordinates|position|location))\b[^?]*? (?:is|are|lies|can) {A}(?: located| found| be found| be seen| appear)*{END}"),
    ("where", "pixel", r"(?:(?:pixel|image) )?(?:coordinates?|pixels?|location|position) (?:of|for|shows?|contain\w*|is|show) {A}{END}"),
    ("where", "pixel", r"(?:point (?:to|at|out)|pinpoint|locate|mark|find) {A}{END}"),
    ("where", "box", r"bounding box (?:of|around|for) {A}{END}"),
]  # fmt: skip

COMPARE: Rules = [
    ("compare", "which", r"(?:which|what)(?: one)?(?: of)?(?: the| these| those)?(?: following)?(?: \w+)?? ?\((?P<list>[^)]*)\)(?: is| are| was| lies| stands| looks| appears)?(?: the| located)* {COMP}(?:(?: \w+)?? (?:to|from|of) {C})?{END}"),
    ("compare", "which", r"(?:between|of|among|out of|from|comparing|considering|given) {LIST},? (?:which|what|who)(?: one| object| of (?:them|these|the two))?(?: is| are| lies| stands| looks| appears| was)(?: the| located)* {COMP}"
     r"(?:(?: \w+)?? (?:to|from|of) {C})?{END}"),
    ("compare", "which", r"(?:which|what|who)(?: one)?(?: of)?(?: the| these| those)?(?: following| two| three| four| five)?(?: (?P<noun>(?!is\b|are\b|of\b)\w+(?: \w+)??))??,? (?:{BE})(?: the| located| positioned| placed)* {COMP}(?: one| object| thing| item| away)?"
     r"(?: (?:to|from|of) {C})?(?:,|:|\?|,? out of|,? among|,? of|,? between| \. | -) ?(?:is it )?(?:the following )?(?:objects? )?{LIST}{ENDL}\s*$"),
    ("compare", "which", r"(?:which|what|who)(?: one)? (?:of|among) {LIST} (?:{BE})(?: the| located| positioned)* {COMP}(?: (?:to|from|of) {C})?{END}"),
    ("compare", "which", r"(?:which|what|who)(?: one)?(?: of)?(?: the| these| those)?(?: following| two| three| four| five)?(?: (?P<noun>(?!is\b|are\b|of\b|the\b)\w+(?: \w+)??))?,? (?:{BE})(?: the| located| positioned| placed)* {COMP}"
     r"(?: one| object| thing| item| away)?(?:(?: \w+)?? (?:to|from|of) {C})?{END}"),
    ("compare", "which", r"(?:which|what) (?:is|are|one is) (?:the )?{COMP} (?P<noun>\w+(?: \w+)?)(?: (?:to|from|of) {C})?(?:,|:) ?{LIST}{ENDL}"),
    ("compare", "which", r"(?:which|what) (?:is|are|one is) (?:the )?{COMP}(?: (?P<noun>(?!to\b|from\b)\w+(?: \w+)??))?(?: (?:to|from|of|in|near) {C})?{END}"),
    ("compare", "than", r"(?:is|are|was|does|do|did) {A} (?:located |positioned |look |appear |lie |stand |hang |move |moving )?(?:at a |the |a bit |much )?{COMP}(?: (?:to|from) {C})?,? (?:than|compared (?:to|with)) {B}(?: (?:is|are|does))?{END}"),
    ("compare", "either", r"(?:is|are|was|does) (?P<list>[^?.;]+? or [^?.;]+?) (?:located |positioned |look |appear )?(?:the )?{COMP}(?: one)?(?: (?:to|from|of) {C})?{END}"),
    ("compare", "either", r"{COMP}(?: (?:to|from) {C})?(?:: |, |\? )(?P<list>[^?.;]+? or [^?.;]+?){END}"),
    ("compare", "is_most", r"(?:is|are) {A} the {COMP}(?: object| thing| one| \w+)?(?: (?:to|from) {C})?{END}"),
    ("compare", "what", r"(?:name|find|identify|give|tell|say)(?: me)? (?:the )?(?:object |thing |item )?(?:that is |which is )?{COMP}(?: (?P<noun>\w+))?(?: (?:to|from|of) {C})?{END}"),
    ("compare", "what", r"(?:object|thing|item)(?: that)?(?: is)? {COMP}(?: (?:to|from|of) {C})?{END}"),
]  # fmt: skip

RULES: Rules = [
    *BOARDS, *DIRECTION, *APPEAR, *ORDER, *VIEWS, *CAMERA_RULES, *MATCH, *AREA, *PASSAGES, *MOVING, *COUNT, *DISTANCE,
    *SIZE, *COMPARE, *RELATION,
]  # fmt: skip
